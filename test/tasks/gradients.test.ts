/** `graft gradients`: every case of the oracle through the library, some through the command line, and what is refused. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, test } from 'node:test'
import { GraftError } from '#graft/base/errors.js'
import { decodeSafetensors, encodeSafetensors } from '#graft/base/safetensors.js'
import { attr } from '#graft/graph/graph.js'
import { float32 } from '#graft/graph/tensor.js'
import { gradients } from '#graft/index.js'
import { writeModel } from '#graft/onnx/writer.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor } from '#graft/runtime/types.js'
import { readFeeds } from '#graft/tasks/anyModel/feeds.js'
import { type Gradients, modelGradients } from '#graft/tasks/anyModel/gradients.js'
import { model, node, value } from '../onnx/build.js'
import { assertClose } from '../support/compare.js'
import { graft, objects } from '../support/graft.js'
import {
  beyond,
  casePath,
  compareTensors,
  type OracleCase,
  oracleCases,
  PADDED,
  readCase,
  skipOracle,
} from '../support/oracle.js'

const folder = mkdtempSync(join(tmpdir(), 'graft-gradients-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** What a case expects, by the names of the command's result. */
function expectedOf({ tensors }: OracleCase): Map<string, HostTensor> {
  return new Map(Object.entries(tensors).filter(([key]) => /^grad(_input)?\./.test(key)))
}

const bare = (key: string) => key.replace(/^grad(_input)?\./, '')

function assertAgrees(name: string, oracle: OracleCase, find: (key: string) => HostTensor | undefined): void {
  const expected = expectedOf(oracle)
  assert.ok(expected.size > 0, 'the case has gradients')
  const { failures } = compareTensors(oracle.meta, expected, find, bare)
  const padded = Object.keys(PADDED.get(name) ?? {})
  const unexplained = failures.filter((text) => !padded.some((table) => text.includes(`${table}: `)))
  assert.deepEqual(unexplained, [])
}

describe('gradients of the oracle', { skip: skipOracle }, () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine()
  })
  after(() => engine?.close())

  for (const name of oracleCases()) {
    const oracle = readCase(name)
    const missing = beyond(oracle.model)
    it(name, { skip: missing.length > 0 ? `beyond this version: ${missing.join(', ')}` : false }, async () => {
      const found: Gradients = await modelGradients(engine, oracle.model, readFeeds(oracle.model, oracle.tensors))
      for (const [key, { dims }] of expectedOf(oracle)) {
        const tensor = key.startsWith('grad.') ? found.weights[bare(key)] : found.inputs[bare(key)]
        assert.ok(tensor, `${key} is absent`)
        assert.deepEqual(tensor.dims, dims, key)
      }
      assertAgrees(name, oracle, (key) =>
        key.startsWith('grad.') ? found.weights[bare(key)] : found.inputs[bare(key)],
      )
    })
  }

  for (const [name, paddingRows] of PADDED)
    it(`${name} agrees in every tensor where the rows of padding are named`, async () => {
      const oracle = readCase(name)
      const wanted = Object.entries(oracle.tensors).filter(([key]) => /^(input|cotangent)\./.test(key))
      const model = readFileSync(casePath(name, 'model.onnx'))
      const found = await gradients(model, Object.fromEntries(wanted), { paddingRows })
      const { failures } = compareTensors(oracle.meta, expectedOf(oracle), (key) => found[key], bare)
      assert.deepEqual(failures, [])
      assert.ok(Object.keys(found).every((key) => !/\.(trains|fixed|looked_up)$/.test(key)))
    })

  for (const name of ['squeezenet', 'bert_pooler', 'qdq_qat_per_channel'])
    it(`${name} through the command line`, async () => {
      const oracle = readCase(name)
      const out = join(folder, `${name}.safetensors`)
      const feeds = casePath(name, 'case.safetensors')
      const done = await graft(['gradients', casePath(name, 'model.onnx'), '--feeds', feeds, '--out', out, '--json'])
      assert.equal(done.code, 0, done.stderr)
      const { tensors } = decodeSafetensors(readFileSync(out))
      assertAgrees(name, oracle, (key) => tensors[key])
      const [told] = objects(done)
      assert.deepEqual(
        (told?.tensors as { name: string }[] | undefined)?.map((tensor) => tensor.name).sort(),
        Object.keys(tensors).sort(),
      )
    })
})

/** y = x w and its whole part. */
const product = model({
  inputs: [value('x', ['batch', 3])],
  outputs: [value('y', ['batch', 2]), value('whole', ['batch', 2], 'int64')],
  initializers: new Map([['w', float32([3, 2], [0, 1, 2, 3, 4, 5])]]),
  nodes: [node('MatMul', ['x', 'w'], ['y']), node('Cast', ['y'], ['whole'], { to: attr.int(7) })],
})

const feeds = (more: Readonly<Record<string, HostTensor>> = {}) => ({
  'input.x': floats([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)),
  'cotangent.y': floats([2, 2], Float32Array.of(1, 0, 0, 1)),
  ...more,
})

test('rows of a table that are named have no gradient from being looked up, and keep what they have besides', async () => {
  const table = model({
    inputs: [value('ids', [3], 'int64')],
    outputs: [value('y', [3, 2])],
    initializers: new Map([['w', float32([2, 2], [1, 2, 3, 4])]]),
    nodes: [node('Gather', ['w', 'ids'], ['e']), node('MatMul', ['e', 'w'], ['y'])],
  })
  const given = {
    'input.ids': { type: 'int64', dims: [3], data: BigInt64Array.of(0n, 1n, 0n) } as const,
    'cotangent.y': floats([3, 2], Float32Array.of(1, 0, 1, 0, 1, 0)),
  }
  // As a layer's weight: e^T c. As a table: row 0 twice and row 1 once (1, 3), which is c w^T.
  const asLayer = [5, 0, 8, 0]
  const bytes = writeModel(table)
  assertClose((await gradients(bytes, given))['grad.w']?.data, [5 + 2, 0 + 6, 8 + 1, 0 + 3], 'w')
  const cut = await gradients(bytes, given, { paddingRows: { w: [0] } })
  assertClose(cut['grad.w']?.data, [asLayer[0]!, asLayer[1]!, 8 + 1, 0 + 3], 'w without row 0')
  await assert.rejects(gradients(bytes, given, { paddingRows: { v: [0] } }), /Nothing is looked up by row in "v"/)
  await assert.rejects(gradients(bytes, given, { paddingRows: { w: [2] } }), /rows 0 to 1; row 2/)
})

test('the product of a matrix, by hand', async () => {
  const found = await gradients(writeModel(product), feeds())
  assert.deepEqual(Object.keys(found).sort(), ['grad.w', 'grad_input.x'])
  // x^T c and c W^T.
  assertClose(found['grad.w']?.data, [1, 4, 2, 5, 3, 6], 'w')
  assertClose(found['grad_input.x']?.data, [0, 2, 4, 1, 3, 5], 'x')
})

test('feeds that do not fit are refused by name', async () => {
  const bytes = writeModel(product)
  const refused = async (given: Readonly<Record<string, HostTensor>>, message: RegExp) =>
    assert.rejects(gradients(bytes, given), (error: unknown) => {
      assert.ok(error instanceof GraftError)
      assert.match(`${error.message} ${error.remedy}`, message)
      return true
    })
  const { 'input.x': _, ...withoutInput } = feeds()
  const { 'cotangent.y': __, ...withoutCotangent } = feeds()
  await refused(withoutInput, /lack "input\.x", float32 \(batch, 3\)/)
  await refused(withoutCotangent, /no cotangent.*"y"/)
  await refused(feeds({ 'input.xx': floats([1], new Float32Array(1)) }), /no input "xx".*Did you mean "input\.x"/)
  await refused(feeds({ 'cotangent.z': floats([1], new Float32Array(1)) }), /no output "z"/)
  await refused(feeds({ other: floats([1], new Float32Array(1)) }), /hold "other"/)
  await refused(
    feeds({ 'input.x': floats([2, 4], new Float32Array(8)) }),
    /shape \(2, 4\); the model expects \(batch, 3\)/,
  )
  await refused(
    feeds({ 'input.x': { type: 'int64', dims: [2, 3], data: new BigInt64Array(6) } }),
    /is int64; the model expects float32/,
  )
  await refused(feeds({ 'cotangent.y': floats([1, 2], new Float32Array(2)) }), /the output has \(2, 2\)/)
  await refused(feeds({ 'cotangent.whole': floats([2, 2], new Float32Array(4)) }), /that output is int64/)
})

test('the command says what is wrong, and leaves what was there', async () => {
  const path = join(folder, 'product.onnx')
  const given = join(folder, 'feeds.safetensors')
  const out = join(folder, 'out.safetensors')
  writeFileSync(path, writeModel(product))
  writeFileSync(given, encodeSafetensors({ tensors: { 'input.x': feeds()['input.x'] }, metadata: {} }))
  writeFileSync(out, 'before')
  const failed = await graft(['gradients', path, '--feeds', given, '--out', out])
  assert.equal(failed.code, 1)
  assert.match(failed.stderr, /no cotangent/)
  assert.equal(readFileSync(out, 'utf8'), 'before')
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith('.tmp')),
    [],
  )
  const wrong = await graft(['gradients', path])
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /--feeds is missing/)
  const same = await graft(['gradients', path, '--feeds', given, '--out', given])
  assert.equal(same.code, 2)
  writeFileSync(given, encodeSafetensors({ tensors: feeds(), metadata: {} }))
  const done = await graft(['gradients', path, '--feeds', given, '--out', join(folder, 'new', 'out.safetensors')])
  assert.equal(done.code, 0, done.stderr)
  assert.match(done.stdout, /grad\.w +\(3, 2\)/)
  assert.ok(existsSync(join(folder, 'new', 'out.safetensors')))
})
