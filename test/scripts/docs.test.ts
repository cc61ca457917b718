import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { globSync } from 'tinyglobby'
import ts from 'typescript'
import { VERSION } from '#graft/base/version.js'
import { describeOptions, kebab } from '#graft/tasks/schema.js'
import { VERBS } from '#graft/tasks/verbs.js'
import { PAGES } from '../../scripts/docs.js'

const WRITTEN = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'docs/guide.md',
  'docs/architecture.md',
  'docs/benchmarks.md',
]
const read = (path: string) => readFileSync(path, 'utf8')

for (const [path, page] of Object.entries(PAGES))
  test(`${path} is what the code says; \`npm run docs\` writes it`, () => assert.equal(read(path), page()))

test('the library reference has a page for everything that is exported', () => {
  const index = read('docs/api/README.md')
  const missing = exportedNames('src/index.ts').filter((name) => !index.includes(`[${name}](`))
  assert.deepEqual(missing, [], 'run `npm run docs`')
})

test('links between the pages lead somewhere', () => {
  const pages = [...WRITTEN, ...globSync('docs/**/*.md')]
  const broken = [...new Set(pages)].flatMap((page) => {
    const text = read(page).replace(/```[\s\S]*?```/g, '')
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!)
    return targets
      .filter((target) => !/^(https?:|#)/.test(target))
      .filter((target) => !existsSync(join(dirname(page), target.replace(/#.*$/, ''))))
      .map((target) => `${page}: ${target}`)
  })
  assert.deepEqual(broken, [])
})

test('headings that a page links to exist', () => {
  for (const page of WRITTEN) {
    const text = read(page)
    const slugs = new Set([...text.matchAll(/^#+ (.*)$/gm)].map((match) => slug(match[1]!)))
    for (const [, target] of text.matchAll(/\]\(#([^)]+)\)/g)) assert.ok(slugs.has(target!), `${page}: #${target}`)
  }
})

test('files of the code that the pages name exist', () => {
  const rooms =
    'autodiff|base|cli|data|evaluate|graph|losses|models|onnx|ops|optim|passes|platform|runtime|tasks|techniques'
  const named = new RegExp(`\`(src/[\\w/.]+|(?:${rooms})/[\\w/]+\\.ts)\``, 'g')
  for (const page of WRITTEN)
    for (const [, name] of read(page).matchAll(named)) {
      const path = name!.startsWith('src/') ? name! : `src/${name}`
      assert.ok(existsSync(path), `${page} names ${name}`)
    }
})

test('flags that the pages name exist', () => {
  const known = new Set(['--json', '--config', '--help', '--test', '--global'])
  for (const { schema } of Object.values(VERBS))
    for (const { key, positional } of describeOptions(schema))
      if (!positional) for (const flag of [`--${kebab(key)}`, `--no-${kebab(key)}`]) known.add(flag)
  for (const page of ['README.md', 'docs/guide.md'])
    for (const [flag] of read(page).matchAll(/(?<![\w-])--[a-z][a-z-]*/g))
      assert.ok(known.has(flag), `${page}: ${flag}`)
})

test('the package says its version once', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string }
  assert.equal(version, VERSION)
  assert.ok(read('CHANGELOG.md').includes(`## ${version}`), `CHANGELOG.md has nothing on ${version}`)
})

function exportedNames(path: string): string[] {
  const source = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest)
  return source.statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement) || !statement.exportClause) return []
    const clause = statement.exportClause
    return ts.isNamedExports(clause) ? clause.elements.map((element) => element.name.text) : [clause.name.text]
  })
}

/** As GitHub makes it. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
}
