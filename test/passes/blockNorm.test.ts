/** Batch norm by blocks of rows: each by its own statistics, the running ones of the block that is kept. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import { attr, type Node } from '#graft/graph/graph.js'
import { float32 } from '#graft/graph/tensor.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { type NormBlock, withBlockStatistics } from '#graft/passes/batchNorm.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { assertClose, runOnce } from '../support/compare.js'
import { checkGradients, normalTensor } from '../support/gradients.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const random = new Random(1, 'block norm')
const BLOCKS: readonly NormBlock[] = [
  { name: 'here', start: 0, rows: 3 },
  { name: 'there', start: 3, rows: 2 },
]
const [C, S] = [2, 3]
const EPSILON = 1e-3
const MOMENTUM = 0.1
const node: Node = {
  name: 'norm',
  opType: 'BatchNormalization',
  domain: '',
  attributes: new Map([['epsilon', attr.float(EPSILON)]]),
  inputs: ['x', 'gamma', 'beta', 'mean', 'variance'],
  outputs: ['y'],
}
const x = floats(
  [5, C, S],
  Float32Array.from({ length: 5 * C * S }, (_, i) => (i >= 3 * C * S ? 4 + 2 * random.normal() : random.normal())),
)
const start = { gamma: [1.5, -0.5], beta: [0.2, 1], mean: [0.1, -0.2], variance: [1.1, 0.7] }

function build(affine: boolean) {
  const g = new GraphBuilder('norm')
  g.input('x', { type: 'float32', shape: x.dims })
  for (const [name, values] of Object.entries(start)) g.parameter(name, float32([C], values))
  const found = withBlockStatistics(g, node, node.inputs, MOMENTUM, { blocks: BLOCKS, keeps: 'there', affine })
  return { g, ...found }
}

/** Statistics of a channel over rows and places of a block. */
function statistics({ start: from, rows }: NormBlock, channel: number) {
  const values = Array.from({ length: rows * S }, (_, i) => {
    const [row, place] = [from + Math.floor(i / S), i % S]
    return Number(x.data[(row * C + channel) * S + place])
  })
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  const variance = values.reduce((a, v) => a + (v - mean) ** 2, 0) / values.length
  return { mean, variance, count: values.length }
}

describe('batch norm by blocks', () => {
  it('normalises each block by itself and moves the running statistics by the block that is kept', async () => {
    const { g, statistics: moved, own } = build(false)
    assert.deepEqual(own, [])
    g.output('out', g.op('Identity', ['y']))
    assert.deepEqual(
      moved.map(({ statistic }) => statistic),
      ['mean', 'variance'],
    )
    for (const { statistic, value } of moved) g.output(`next ${statistic}`, value)
    const found = await runOnce(engine, g.model(), { x })
    const expected = Array.from(x.data as Float32Array, (v, i) => {
      const [row, channel] = [Math.floor(i / (C * S)), Math.floor(i / S) % C]
      const block = BLOCKS.find((b) => row >= b.start && row < b.start + b.rows)!
      const { mean, variance } = statistics(block, channel)
      return (start.gamma[channel]! * (v - mean)) / Math.sqrt(variance + EPSILON) + start.beta[channel]!
    })
    assertClose(found.out!.data as Float32Array, expected, 'normalised', 1e-4, 1e-5)
    for (let c = 0; c < C; c++) {
      const { mean, variance, count } = statistics(BLOCKS[1]!, c)
      const near = (value: number, running: number) => (1 - MOMENTUM) * running + MOMENTUM * value
      assertClose([Number(found['next mean']!.data[c])], [near(mean, start.mean[c]!)], 'mean')
      const unbiased = (variance * count) / (count - 1)
      assertClose([Number(found['next variance']!.data[c])], [near(unbiased, start.variance[c]!)], 'variance')
    }
  })

  it('gives the blocks that are not kept a scale and shift of their own, which start as the network’s', async () => {
    const { g, own } = build(true)
    assert.deepEqual(own, [
      { name: 'gamma@here', of: 'gamma' },
      { name: 'beta@here', of: 'beta' },
    ])
    assert.deepEqual([...(g.parameters().get('gamma@here')!.data as Float32Array)], start.gamma)
    const shared = build(false).g
    for (const one of [g, shared]) one.output('out', one.op('Identity', ['y']))
    const [apart, together] = [await runOnce(engine, g.model(), { x }), await runOnce(engine, shared.model(), { x })]
    assert.deepEqual(apart.out, together.out)
  })

  it('has gradients that equal central differences', async () => {
    const moved = await checkGradients(engine, {
      label: 'batch norm by blocks',
      vary: { x, gamma: normalTensor(random, [C]), beta: normalTensor(random, [C]) },
      feeds: {
        mean: floats([C], Float32Array.from(start.mean)),
        variance: floats([C], Float32Array.from(start.variance)),
      },
      build(g) {
        withBlockStatistics(g, node, node.inputs, MOMENTUM, { blocks: BLOCKS, keeps: 'there', affine: false })
        return ['y']
      },
    })
    assert.equal(moved.size, 3)
  })
})
