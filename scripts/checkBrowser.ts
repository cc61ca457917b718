/**
 * What a web page loads of the package: everything that is reached from its browser entries, with `#` names looked up in the
 * `imports` map as a bundler for browsers does. None of it may need Node.
 */
import { readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import ts from 'typescript'
import { loadsOf, type Violation } from './imports.js'

/** What a page loads, and what its worker does. */
const ENTRIES = ['browser.ts', 'platform/browser/worker.ts']

/** Packages that run in a browser. */
const PACKAGES = ['@bufbuild/protobuf/wire', 'onnxruntime-web/wasm']

/** What Node has and a browser has not. */
const GLOBALS = new Set(['process', 'Buffer', 'global', 'require', 'setImmediate', 'clearImmediate', '__dirname'])

interface Manifest {
  readonly imports: Readonly<Record<string, Readonly<Record<string, string>> | string>>
}

/** @param root the folder with package.json and src */
export async function checkBrowser(root: string): Promise<Violation[]> {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest
  const violations: Violation[] = []
  const seen = new Set(ENTRIES)
  for (const file of seen) {
    const source = await readFile(join(root, 'src', file), 'utf8')
    for (const name of globalsIn(source))
      violations.push({ file, imported: name, rule: `${name} is Node's, and a web page loads this file` })
    for (const imported of loadsOf(source)) {
      const target = resolveImport(file, imported, manifest)
      if (target !== undefined) seen.add(target)
      else if (!PACKAGES.includes(imported))
        violations.push({ file, imported, rule: `a web page loads this file, and has no ${imported}` })
    }
  }
  return violations
}

/** The file below src; undefined for a package. */
function resolveImport(file: string, imported: string, { imports }: Manifest): string | undefined {
  const entry = imports[imported]
  const path = typeof entry === 'object' ? (entry.browser ?? entry.default) : undefined
  if (path !== undefined) return path.replace(/^\.\/dist\//, '').replace(/\.js$/, '.ts')
  if (!imported.startsWith('.')) return undefined
  return posix.join(posix.dirname(file), imported).replace(/\.js$/, '.ts')
}

/** Names of Node's globals that the code uses as values. */
function globalsIn(source: string): string[] {
  const found = new Set<string>()
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && GLOBALS.has(node.text) && !isMemberName(node)) found.add(node.text)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('file.ts', source, ts.ScriptTarget.ES2023, true))
  return [...found]
}

/** `a.process`, `{ process: 1 }`, and declarations of such a name in the file itself. */
function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node
  return 'name' in parent && parent.name === node
}
