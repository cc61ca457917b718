/**
 * Every form in which a layer and its weight are written: merged weights against the papers' formulas, computed here in plain
 * arrays, and the merged network's outputs against the unmerged one's.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import { type Attribute, attr, emptyGraph, type Model } from '#graft/graph/graph.js'
import { float32, sizeOf } from '#graft/graph/tensor.js'
import { type AdapterMethod, applyAdapter, dora, ia3, lora, rsLora } from '#graft/models/adapters/index.js'
import { withTrained } from '#graft/models/edit.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { type TransformerOptions, transformer } from './networks.js'
import { distance, moved, outputsOf, texts, unfusedOutputs } from './training.js'

const random = new Random(11, 'forms')
const normal = (dims: readonly number[]) =>
  float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
  )

interface Form {
  readonly name: string
  readonly node: Partial<{ opType: string; domain: string; attributes: Record<string, Attribute> }>
  readonly x: readonly number[]
  readonly weight: readonly number[]
  /** Entry (o, i) of the matrix (out, in kernel) lies here in the file. */
  readonly at: (o: number, i: number) => number
  readonly outputs: number
  readonly columns: number
  readonly alpha?: number
  /** A bias in the node, or in an Add behind it. */
  readonly bias?: 'inside' | 'behind'
  readonly opset?: number
}

const linear = {
  weight: [5, 4],
  at: (o: number, i: number) => i * 4 + o,
  outputs: 4,
  columns: 5,
  x: [3, 2, 5],
} as const
const turned = { weight: [4, 5], at: (o: number, i: number) => o * 5 + i, outputs: 4, columns: 5, x: [3, 5] } as const
const kernel = {
  weight: [4, 2, 3, 3],
  at: (o: number, i: number) => o * 18 + i,
  outputs: 4,
  columns: 18,
  x: [2, 2, 6, 6],
} as const
const padded = { pads: attr.ints([1, 1, 1, 1]), kernel_shape: attr.ints([3, 3]) }

const FORMS: readonly Form[] = [
  { name: 'MatMul', node: { opType: 'MatMul' }, ...linear },
  { name: 'MatMul, then a bias', node: { opType: 'MatMul' }, ...linear, bias: 'behind' },
  { name: 'MatMul of opset 9', node: { opType: 'MatMul' }, ...linear, opset: 9 },
  { name: 'Gemm', node: { opType: 'Gemm' }, ...linear, x: [3, 5], bias: 'inside' },
  { name: 'Gemm, transB', node: { opType: 'Gemm', attributes: { transB: attr.int(1) } }, ...turned, bias: 'inside' },
  {
    name: 'Gemm, transB, alpha',
    node: { opType: 'Gemm', attributes: { transB: attr.int(1), alpha: attr.float(0.5) } },
    ...turned,
    alpha: 0.5,
    bias: 'inside',
  },
  {
    name: 'FusedMatMul',
    node: { opType: 'FusedMatMul', domain: 'com.microsoft', attributes: { transB: attr.int(1), alpha: attr.float(2) } },
    ...turned,
    x: [3, 2, 5],
    alpha: 2,
  },
  { name: 'Conv', node: { opType: 'Conv', attributes: padded }, ...kernel, bias: 'inside' },
  {
    name: 'Conv, strided and dilated, of opset 11',
    node: { opType: 'Conv', attributes: { ...padded, strides: attr.ints([2, 1]), dilations: attr.ints([1, 2]) } },
    ...kernel,
    opset: 11,
  },
  {
    name: 'Conv along one axis, auto_pad',
    node: { opType: 'Conv', attributes: { auto_pad: attr.string('SAME_UPPER') } },
    weight: [4, 2, 3],
    at: (o, i) => o * 6 + i,
    outputs: 4,
    columns: 6,
    x: [2, 2, 9],
    bias: 'inside',
  },
]

function network({ node, weight, x, outputs, bias, opset = 17 }: Form): Model {
  const graph = emptyGraph('form')
  graph.inputs = [{ name: 'x', type: 'float32', shape: x }]
  graph.initializers.set('layer.weight', normal(weight))
  if (bias) graph.initializers.set('layer.bias', normal([outputs]))
  const { opType = '', domain = '', attributes = {} } = node
  const inputs = ['x', 'layer.weight', ...(bias === 'inside' ? ['layer.bias'] : [])]
  const push = (name: string, op: string, from: string[], given: Record<string, Attribute> = {}, space = '') =>
    graph.nodes.push({
      name,
      opType: op,
      domain: space,
      inputs: from,
      outputs: [name],
      attributes: new Map(Object.entries(given)),
    })
  push('product', opType, inputs, attributes, domain)
  push('y', bias === 'behind' ? 'Add' : 'Identity', bias === 'behind' ? ['layer.bias', 'product'] : ['product'])
  graph.outputs = [{ name: 'y', type: 'float32', shape: undefined }]
  const opsets = new Map([
    ['', opset],
    ['com.microsoft', 1],
  ])
  return { graph, irVersion: 8, opsets, functions: [], producer: { name: 'test', version: '' }, metadata: new Map() }
}

const RANK = 3
const ALPHA = 5
const targets = ['layer']

describe('adapters on every form of layer', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  const methods: readonly (readonly [AdapterMethod, number])[] = [
    [lora({ rank: RANK, alpha: ALPHA, targets }), ALPHA / RANK],
    [rsLora({ rank: RANK, alpha: ALPHA, targets }), ALPHA / Math.sqrt(RANK)],
    [dora({ rank: RANK, alpha: ALPHA, targets }), ALPHA / RANK],
    [ia3({ targets }), 1],
    [ia3({ targets: [], feedForward: targets }), 1],
  ]
  for (const form of FORMS)
    for (const [method, scale] of methods) {
      const { at, outputs, columns, alpha = 1 } = form
      const inner = (method.options.feedForward as unknown) !== undefined
      it(`${method.name}${inner ? ' on the input' : ''}: ${form.name}`, async () => {
        const model = network(form)
        const feeds = { x: floats(form.x, normal(form.x).data as Float32Array) }
        if (method.name === 'dora' && alpha !== 1) {
          assert.throws(() => applyAdapter(model, method, new Random(1)), /multiplies its product by/)
          return
        }
        const applied = applyAdapter(model, method, new Random(1))
        const [site] = applied.sites
        assert.equal(applied.sites.length, 1)
        const weights = moved(applied)
        const part = (kind: string) => weights.get(site?.parameters[kind] ?? '')?.data as Float32Array

        const first = await unfusedOutputs(applied.model, feeds)
        const base = await unfusedOutputs(model, feeds)
        if (method.name === 'dora') assert.ok(distance(base, first) < 1e-6)
        else assert.deepEqual(first, base)

        const before = model.graph.initializers.get('layer.weight')?.data as Float32Array
        const merged = applied.mergedWeights(weights)
        const found = merged.get('layer.weight')?.data as Float32Array
        const w = (o: number, i: number) => before[at(o, i)]!
        const change = (o: number, i: number) => {
          let sum = 0
          for (let k = 0; k < RANK; k++) sum += part('lora_B')[o * RANK + k]! * part('lora_A')[k * columns + i]!
          return scale * sum
        }
        for (let o = 0; o < outputs; o++) {
          let length = 0
          if (method.name === 'dora') for (let i = 0; i < columns; i++) length += (w(o, i) + change(o, i)) ** 2
          for (let i = 0; i < columns; i++) {
            const kernelSize = columns / (site?.layer.inputs ?? 1)
            const expected =
              method.name === 'ia3'
                ? w(o, i) * part('ia3_l')[inner ? Math.floor(i / kernelSize) : o]!
                : method.name === 'dora'
                  ? (part('lora_magnitude_vector')[o]! * (w(o, i) + change(o, i))) / Math.sqrt(length)
                  : w(o, i) + change(o, i) / alpha
            const value = found[at(o, i)]!
            assert.ok(
              Math.abs(value - expected) <= 1e-5 * Math.max(1, Math.abs(expected)),
              `(${o}, ${i}): ${value}, expected ${expected}`,
            )
          }
        }
        const scaledBias = method.name === 'ia3' && !inner && form.bias !== undefined
        assert.deepEqual([...merged.keys()], scaledBias ? ['layer.weight', 'layer.bias'] : ['layer.weight'])
        const unmerged = await outputsOf(engine, withTrained(applied.model, weights), feeds)
        assert.ok(distance(unmerged, await outputsOf(engine, applied.merge(weights), feeds)) <= 1e-5)
        assert.ok(distance(unmerged, base) > 1e-2)
      })
    }

  it('dora: an output without weights starts as it is', async () => {
    const form = FORMS.find(({ name }) => name === 'Gemm, transB') as Form
    const model = network(form)
    const weight = model.graph.initializers.get('layer.weight')!.data as Float32Array
    weight.fill(0, 5, 10)
    const applied = applyAdapter(model, dora({ targets }), new Random(1))
    const feeds = { x: floats(form.x, normal(form.x).data as Float32Array) }
    const base = await outputsOf(engine, model, feeds)
    assert.ok(distance(base, await outputsOf(engine, applied.model, feeds)) < 1e-6)
    const merged = applied.mergedWeights(applied.start).get('layer.weight')?.data as Float32Array
    assert.deepEqual([...merged.subarray(5, 10)], [0, 0, 0, 0, 0])
  })

  const spellings: readonly TransformerOptions[] = [
    { stored: 'transposed' },
    { stored: 'half' },
    { stored: 'int8' },
    { shared: true },
    { packed: true },
    { fused: true },
    { preNorm: true, anonymous: true },
  ]
  for (const options of spellings)
    for (const method of [lora(), dora(), ia3()])
      it(`${method.name} in a transformer with ${JSON.stringify(options)}`, async () => {
        const model = transformer(options)
        const feeds = texts(4, 6)
        const applied = applyAdapter(model, method, new Random(1))
        const base = await outputsOf(engine, model, feeds)
        assert.ok(distance(base, await outputsOf(engine, applied.model, feeds)) < 2e-6)
        const weights = moved(applied)
        const unmerged = await outputsOf(engine, withTrained(applied.model, weights), feeds)
        const merged = applied.merge(weights)
        assert.ok(distance(unmerged, base) > 1e-3)
        assert.ok(distance(unmerged, await outputsOf(engine, merged, feeds)) <= 1e-5)
        // Only what was adapted is stored as float32 now.
        const changed = new Set(applied.mergedWeights(weights).keys())
        for (const [name, tensor] of model.graph.initializers)
          if (!changed.has(name) && merged.graph.initializers.has(name))
            assert.equal(merged.graph.initializers.get(name), tensor)
      })
})
