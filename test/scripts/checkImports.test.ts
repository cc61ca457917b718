import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { checkBrowser } from '../../scripts/checkBrowser.js'
import { checkImports, ruleAgainst } from '../../scripts/checkImports.js'
import { importsOf, loadsOf } from '../../scripts/imports.js'

test('a room imports from its own level, from below, and from base', () => {
  for (const [file, imported] of [
    ['cli/main.ts', '../tasks/schema.js'],
    ['cli/commands/train.ts', '../output.js'],
    ['cli/main.ts', 'node:process'],
    ['tasks/training/build.ts', '../../evaluate/report.js'],
    ['techniques/run/run.ts', '../../data/types.js'],
    ['optim/trainingProgram.ts', '../runtime/types.js'],
    ['ops/table.ts', '../onnx/names.js'],
    ['graph/graph.ts', '../base/errors.js'],
    ['data/scan.ts', '#platform'],
    ['models/backbone.ts', '../data/preprocessor.js'],
    ['platform/node.ts', './node/files.js'],
    ['platform/node/images.ts', 'sharp'],
    ['platform/node/files.ts', 'node:fs'],
    ['platform/browser.ts', './browser/files.js'],
    ['platform/browser/worker.ts', '../../runtime/worker.js'],
    ['runtime/sessions.ts', '#onnxruntime'],
    ['runtime/onnxruntime/node.ts', 'onnxruntime-node'],
    ['runtime/onnxruntime/web.ts', 'onnxruntime-web/wasm'],
    ['index.ts', './tasks/transfer.js'],
    ['browser.ts', './techniques/tensors/trainHead.js'],
  ] as const)
    assert.equal(ruleAgainst(file, imported), undefined, `${file} -> ${imported}`)
})

test('what goes against the direction is named', () => {
  for (const [file, imported, rule] of [
    ['graph/graph.ts', '../ops/table.js', /graph lies below ops/],
    ['ops/table.ts', '../passes/specialise.js', /ops lies below passes/],
    ['runtime/engine.ts', '../techniques/run/run.js', /runtime lies below techniques/],
    ['tasks/schema.ts', '../cli/output.js', /tasks lies below cli/],
    ['index.ts', './cli/main.js', /does not need the command line/],
    ['tasks/schema.ts', '../index.js', /do not import the library/],
    ['data/scan.ts', '../graph/graph.js', /data imports only base and #platform/],
    ['evaluate/report.ts', '../data/types.js', /evaluate imports only base and #platform/],
    ['base/errors.ts', '../graph/graph.js', /base imports only/],
    ['platform/node/files.ts', '../../graph/graph.js', /platform imports only/],
    ['models/backbone.ts', '../data/scan.js', /models lies below data's users/],
    ['data/scan.ts', '../platform/node/files.js', /imported as #platform/],
    ['data/scan.ts', 'node:fs', /only platform\/node and cli import Node's modules/],
    ['platform/image.ts', 'node:fs', /only platform\/node and cli/],
    ['data/scan.ts', 'sharp', /only platform\/node imports sharp/],
    ['platform/browser/images.ts', 'sharp', /only platform\/node imports sharp/],
    ['platform/browser/workers.ts', '../../runtime/worker.js', /platform imports only/],
    ['models/backbone.ts', 'onnxruntime-node', /only runtime\/onnxruntime imports onnxruntime-node/],
    ['runtime/sessions.ts', 'onnxruntime-web/wasm', /only runtime\/onnxruntime imports/],
    ['runtime/sessions.ts', './onnxruntime/node.js', /imported as #onnxruntime/],
    ['models/backbone.ts', '#onnxruntime', /only runtime imports/],
    ['techniques/run/run.ts', '../../browser.js', /do not import the library/],
    ['tasks/schema.ts', '../attic/old.js', /no room called attic/],
  ] as const)
    assert.match(ruleAgainst(file, imported) ?? '', rule, `${file} -> ${imported}`)
})

test('imports are found in every form, and not in strings or comments', () => {
  const source = `
    import a, { type B } from './a.js'
    import type { C } from './c.js'
    export { d } from './d.js'
    export * from './e.js'
    const f = await import('./f.js')
    import './g.js'
    // import h from './h.js'
    const text = "import i from './i.js'"
  `
  assert.deepEqual(importsOf(source).sort(), ['./a.js', './c.js', './d.js', './e.js', './f.js', './g.js'])
})

test('a folder is checked file by file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'graft-imports-'))
  try {
    for (const [file, text] of [
      ['graph/graph.ts', "import type { Table } from '../ops/table.js'\n"],
      ['ops/table.ts', "import { graph } from '../graph/graph.js'\n"],
    ] as const) {
      await mkdir(dirname(join(folder, file)), { recursive: true })
      await writeFile(join(folder, file), text)
    }
    assert.deepEqual(await checkImports(folder), [
      { file: 'graph/graph.ts', imported: '../ops/table.js', rule: 'graph lies below ops' },
    ])
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('what is only a type is not loaded', () => {
  const source = `
    import { a, type B } from './a.js'
    import type { C } from './c.js'
    export type { D } from './d.js'
    const b: B = a
  `
  assert.deepEqual(loadsOf(source), ['./a.js'])
})

test('what a web page loads is followed through the imports map, and Node is not among it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'graft-browser-'))
  const write = async (file: string, text: string) => {
    await mkdir(dirname(join(folder, file)), { recursive: true })
    await writeFile(join(folder, file), text)
  }
  try {
    const conditions = { node: './dist/platform/node.js', browser: './dist/platform/browser.js' }
    await write('package.json', JSON.stringify({ imports: { '#platform': conditions } }))
    await write('src/browser.ts', "import { a } from './graph/a.js'\nexport const b = a\n")
    await write(
      'src/graph/a.ts',
      "import { now } from '#platform'\nimport type { B } from './b.js'\nexport const a: B = now\n",
    )
    await write('src/graph/b.ts', "import 'node:fs'\nexport type B = unknown\n")
    await write('src/platform/node.ts', "import 'node:os'\nexport const now = 1\n")
    await write('src/platform/browser.ts', 'export const now = 1\nexport const options = { process: 1 }.process\n')
    await write('src/platform/browser/worker.ts', '')
    assert.deepEqual(await checkBrowser(folder), [])
    await write('src/platform/browser.ts', "import 'sharp'\nexport const now = process.uptime()\n")
    await write('src/platform/browser/worker.ts', "import 'node:fs'\n")
    assert.deepEqual((await checkBrowser(folder)).map(({ file, imported }) => [file, imported]).sort(), [
      ['platform/browser.ts', 'process'],
      ['platform/browser.ts', 'sharp'],
      ['platform/browser/worker.ts', 'node:fs'],
    ])
  } finally {
    await rm(folder, { recursive: true })
  }
})
