import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { checkImports, importsOf, ruleAgainst } from '../../scripts/checkImports.js'

test('a room imports from its own level, from below, and from base', () => {
  for (const [file, imported] of [
    ['cli/main.ts', '../tasks/schema.js'],
    ['cli/commands/train.ts', '../output.js'],
    ['cli/main.ts', 'node:process'],
    ['tasks/imageClassification/build.ts', '../../evaluate/report.js'],
    ['techniques/run/run.ts', '../../data/types.js'],
    ['optim/trainingProgram.ts', '../runtime/types.js'],
    ['ops/table.ts', '../onnx/names.js'],
    ['graph/graph.ts', '../base/errors.js'],
    ['data/scan.ts', '#platform'],
    ['models/backbone.ts', '../data/preprocessor.js'],
    ['platform/node.ts', './node/files.js'],
    ['platform/node/images.ts', 'sharp'],
    ['platform/node/files.ts', 'node:fs'],
    ['runtime/sessions.ts', 'onnxruntime-node'],
    ['index.ts', './tasks/imageClassification/transfer.js'],
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
    ['data/scan.ts', 'sharp', /only platform imports sharp/],
    ['models/backbone.ts', 'onnxruntime-node', /only runtime imports onnxruntime-node/],
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
