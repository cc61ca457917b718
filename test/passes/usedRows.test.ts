/** Tables cut to the rows that are read: the same answers, the same training, and no other row in place of one that is missing. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { toFloat32 } from '#graft/graph/convert.js'
import { numberToHalf } from '#graft/graph/formats.js'
import { attr, type Node } from '#graft/graph/graph.js'
import type { Tensor } from '#graft/graph/tensor.js'
import { wholeTable, withUsedRows } from '#graft/passes/usedRows.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import type { HostTensor } from '#graft/runtime/types.js'
import { model, node, value, weights } from '../onnx/build.js'
import { runOnce } from '../support/compare.js'

const HEIGHT = 10
const WIDTH = 3
const TABLE = weights([HEIGHT, WIDTH])
const HALVES: Tensor = {
  type: 'float16',
  dims: TABLE.dims,
  data: Uint16Array.from(TABLE.data as Float32Array, numberToHalf),
}

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const modelOf = (nodes: Node[], table: Tensor = TABLE) =>
  model({
    inputs: [value('ids', ['N', 'T'], 'int64'), value('others', ['N', 'T'], 'int64')],
    outputs: [value('y', undefined)],
    nodes,
    initializers: new Map([['table', table]]),
  })
const look = () => node('Gather', ['table', 'ids'], ['y'])
const ids = (...numbers: number[]): HostTensor => ({
  type: 'int64',
  dims: [1, numbers.length],
  data: BigInt64Array.from(numbers, BigInt),
})
const trains = () => true

describe('tables of the rows that are used', () => {
  const used = Int32Array.of(7, 1, 3)

  it('answer as the whole table, plain, cast, and through numbers that are passed on', async () => {
    const half = { to: attr.int(1) }
    const cases: [string, Node[], Tensor?][] = [
      ['plain', [look()]],
      ['cast', [node('Cast', ['table'], ['wide'], half), node('Gather', ['wide', 'ids'], ['y'])], HALVES],
      [
        'twice',
        [
          node('Identity', ['ids'], ['same']),
          look(),
          node('Gather', ['table', 'same'], ['again']),
          node('Add', ['y', 'again'], ['sum']),
        ],
      ],
    ]
    for (const [name, nodes, table] of cases) {
      const output = nodes.at(-1)!.outputs[0]!
      const whole = modelOf(nodes, table)
      whole.graph.outputs = [value(output, undefined)]
      const found = withUsedRows(whole, { ids: used }, trains)
      assert.ok(found, name)
      assert.deepEqual(found.model.graph.initializers.get('table')!.dims, [3, WIDTH])
      const feeds = { ids: ids(3, 7, 1, 3), others: ids(0) }
      assert.deepEqual(
        (await runOnce(engine, found.model, feeds))[output],
        (await runOnce(engine, whole, feeds))[output],
        name,
      )
    }
  })

  it('fail on a number that was not to come, and do not read another row', async () => {
    const found = withUsedRows(modelOf([look()]), { ids: used }, trains)
    for (const other of [0, 2, 9])
      await assert.rejects(
        runOnce(engine, found!.model, { ids: ids(3, other), others: ids(0) }),
        /out of data bounds|indices/,
      )
  })

  it('are whole again with the rows put back, the others as they were', () => {
    for (const table of [TABLE, HALVES]) {
      const { rows } = withUsedRows(modelOf([look()], table), { ids: used }, trains)!
      const kept = rows.get('table')!
      assert.deepEqual([...kept], [1, 3, 7])
      const trained = Float32Array.from({ length: 3 * WIDTH }, (_, i) => 100 + i)
      const whole = wholeTable(table, trained, kept)
      const before = toFloat32(table).data as Float32Array
      for (let row = 0; row < HEIGHT; row++) {
        const at = [...kept].indexOf(row)
        const expected =
          at < 0 ? before.subarray(row * WIDTH, (row + 1) * WIDTH) : trained.subarray(at * WIDTH, (at + 1) * WIDTH)
        assert.deepEqual(whole.subarray(row * WIDTH, (row + 1) * WIDTH), expected)
      }
    }
  })

  it('are left whole where something else reads them, they do not train, or nothing is spared', () => {
    const tied = [look(), node('Transpose', ['table'], ['t']), node('MatMul', ['y', 't'], ['scores'])]
    const two = [look(), node('Gather', ['table', 'others'], ['z'])]
    const across = [node('Gather', ['table', 'ids'], ['y'], { axis: attr.int(1) })]
    const counted = [node('Add', ['ids', 'others'], ['sum']), node('Gather', ['table', 'sum'], ['y'])]
    for (const nodes of [tied, two, across, counted])
      assert.equal(withUsedRows(modelOf(nodes), { ids: used, others: used }, trains), undefined)
    assert.equal(
      withUsedRows(modelOf([look()]), { ids: used }, () => false),
      undefined,
    )
    assert.equal(withUsedRows(modelOf([look()]), { others: used }, trains), undefined)
    const all = Int32Array.from({ length: HEIGHT }, (_, i) => i)
    assert.equal(withUsedRows(modelOf([look()]), { ids: all }, trains), undefined)
  })
})
