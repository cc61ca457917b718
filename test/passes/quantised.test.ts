/** Quantised models as trainable float: the numbers onnxruntime computes with, in the layout they are stored in. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { Random } from '#graft/base/random.js'
import { type Attribute, attr, type Graph, type Model, type Node } from '#graft/graph/graph.js'
import { type ElementType, float32, int64Vector, sizeOf, type Tensor } from '#graft/graph/tensor.js'
import { withTrained } from '#graft/models/edit.js'
import { listParameters } from '#graft/models/parameters.js'
import { writeModel } from '#graft/onnx/writer.js'
import { withFloatWeights } from '#graft/passes/floatWeights.js'
import { inFloat32 } from '#graft/passes/inFloat32.js'
import { quantisedWeights } from '#graft/passes/quantisedWeights.js'
import { specialise } from '#graft/passes/specialise.js'
import { model, node, value, weights } from '../onnx/build.js'

async function run(network: Model, shape: readonly number[]): Promise<Float32Array> {
  const session = await InferenceSession.create(writeModel(network), {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
    graphOptimizationLevel: 'basic',
  })
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(1 + i * 0.37))
  const results = await session.run({ x: new OrtTensor('float32', data, shape) })
  await session.release()
  return results.y?.data as Float32Array
}

/** A tensor of random bits. */
function bits(type: ElementType, dims: readonly number[], seed = 1): Tensor {
  const random = new Random(seed, type)
  const size = sizeOf(dims)
  const of = (n: number, low: number, high: number) =>
    Array.from({ length: n }, () => low + random.integer(high - low + 1))
  switch (type) {
    case 'int8':
      return { type, dims, data: Int8Array.from(of(size, -128, 127)) }
    case 'uint8':
    case 'float8e4m3fn':
      return { type, dims, data: Uint8Array.from(of(size, 0, type === 'uint8' ? 255 : 126)) }
    case 'int16':
      return { type, dims, data: Int16Array.from(of(size, -32768, 32767)) }
    case 'uint16':
      return { type, dims, data: Uint16Array.from(of(size, 0, 65535)) }
    case 'int32':
      return { type, dims, data: Int32Array.from(of(size, -1e9, 1e9)) }
    default:
      return { type, dims, data: Uint8Array.from(of(Math.ceil(size / 2), 0, 255)) }
  }
}

const scales = (...dims: number[]) =>
  float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, (_, i) => 0.01 * (1 + ((i * 7) % 5))),
  )

interface Form {
  readonly name: string
  readonly stored: Tensor
  /** Between the stored tensor and the float weight. */
  readonly nodes: readonly Node[]
  readonly more?: Readonly<Record<string, Tensor>>
  readonly opset?: number
}

const dequantize = (from: string, zero: string, attributes: Record<string, Attribute> = {}, domain = '') => ({
  ...node('DequantizeLinear', [from, 's', ...(zero === '' ? [] : [zero])], ['w'], attributes),
  domain,
})
const axis = (value: number) => ({ axis: attr.int(value) })

/** Each gives a (6, 4) weight "w" from the stored tensor "W". */
const FORMS: readonly Form[] = [
  { name: 'per tensor', stored: bits('int8', [6, 4]), nodes: [dequantize('W', '')], more: { s: scales() } },
  {
    name: 'uint8 with a zero point',
    stored: bits('uint8', [6, 4]),
    nodes: [dequantize('W', 'z')],
    more: { s: scales(), z: bits('uint8', []) },
  },
  {
    name: 'per axis',
    stored: bits('int8', [6, 4]),
    nodes: [dequantize('W', 'z', axis(0))],
    more: { s: scales(6), z: bits('int8', [6], 2) },
  },
  {
    name: 'per last axis, before the standard had an attribute for blocks',
    opset: 13,
    stored: bits('uint8', [6, 4]),
    nodes: [dequantize('W', 'z', axis(-1))],
    more: { s: scales(4), z: bits('uint8', [4], 2) },
  },
  {
    name: 'behind Transpose',
    stored: bits('int8', [4, 6]),
    nodes: [node('Transpose', ['W'], ['t'], { perm: attr.ints([1, 0]) }), dequantize('t', '', axis(0))],
    more: { s: scales(6) },
  },
  {
    name: 'before Transpose',
    stored: bits('int8', [4, 6]),
    nodes: [
      { ...dequantize('W', '', axis(0)), name: 'd', outputs: ['t'] },
      node('Transpose', ['t'], ['w'], { perm: attr.ints([1, 0]) }),
    ],
    more: { s: scales(4) },
  },
  {
    name: 'behind Reshape and Transpose of three axes',
    stored: bits('int8', [2, 2, 6]),
    nodes: [
      node('Transpose', ['W'], ['t'], { perm: attr.ints([2, 0, 1]) }),
      node('Reshape', ['t', 'shape'], ['r']),
      dequantize('r', '', axis(1)),
    ],
    more: { s: scales(4), shape: int64Vector([0, -1]) },
  },
  {
    name: 'behind Unsqueeze, Identity, Squeeze and Flatten',
    stored: bits('uint8', [6, 4]),
    nodes: [
      node('Unsqueeze', ['W', 'one'], ['u']),
      node('Identity', ['u'], ['i']),
      node('Squeeze', ['i', 'one'], ['q']),
      node('Flatten', ['q'], ['f']),
      dequantize('f', '', axis(0)),
    ],
    more: { s: scales(6), one: int64Vector([1]) },
  },
  {
    name: 'behind a Cast from int8 to int32',
    stored: bits('int8', [6, 4]),
    nodes: [node('Cast', ['W'], ['c'], { to: attr.int(6) }), dequantize('c', '')],
    more: { s: scales() },
  },
  { name: 'int32', stored: bits('int32', [6, 4]), nodes: [dequantize('W', '', axis(1))], more: { s: scales(4) } },
  { name: 'int16', stored: bits('int16', [6, 4]), nodes: [dequantize('W', '')], more: { s: scales() } },
  {
    name: 'uint16 of onnxruntime',
    stored: bits('uint16', [6, 4]),
    nodes: [dequantize('W', 'z', {}, 'com.microsoft')],
    more: { s: scales(), z: bits('uint16', []) },
  },
  {
    name: 'int4 in blocks',
    stored: bits('int4', [6, 4]),
    nodes: [dequantize('W', 'z', { ...axis(0), block_size: attr.int(2) })],
    more: { s: scales(3, 4), z: bits('int4', [3, 4], 2) },
  },
  {
    name: 'uint4 in blocks along the last axis, the last one short',
    stored: bits('uint4', [6, 4]),
    nodes: [dequantize('W', '', { ...axis(1), block_size: attr.int(3) })],
    more: { s: scales(6, 2) },
  },
  { name: 'float8', stored: bits('float8e4m3fn', [6, 4]), nodes: [dequantize('W', '')], more: { s: scales() } },
  {
    name: 'a float weight quantised in the graph, as quantisation-aware training leaves it',
    stored: weights([6, 4]),
    nodes: [node('QuantizeLinear', ['W', 's', 'z'], ['q'], axis(0)), dequantize('q', 'z', axis(0))],
    more: { s: scales(6), z: bits('int8', [6], 4) },
  },
]

function network(form: Form): Model {
  return model(
    {
      inputs: [value('x', [3, 6])],
      outputs: [value('y', [3, 4])],
      nodes: [...form.nodes, node('MatMul', ['x', 'w'], ['y'])],
      initializers: new Map([['W', form.stored], ...Object.entries(form.more ?? {})]),
    },
    form.opset ?? 21,
    10,
  )
}

const operators = (graph: Graph) => graph.nodes.map((n) => n.opType)
const isQuantising = (opType: string) => /quantize|NBits/i.test(opType)

for (const form of FORMS)
  test(`a weight, ${form.name}, becomes float32 under its name, in its layout, with the same result`, async () => {
    const before = network(form)
    assert.deepEqual([...quantisedWeights(before.graph).keys()], ['W'])
    assert.deepEqual(
      listParameters(before).map((p) => [p.name, p.value, p.storedAs, p.role]),
      [['W', 'W', form.stored.type, 'weight']],
    )
    const after = withFloatWeights(before, (name) => name === 'W')
    assert.equal(after.graph.initializers.get('W')?.type, 'float32')
    assert.deepEqual(after.graph.initializers.get('W')?.dims, form.stored.dims)
    assert.ok(!operators(after.graph).some(isQuantising), operators(after.graph).join())
    assert.ok(!after.graph.initializers.has('s') && !after.graph.initializers.has('z'), 'nothing unread is left')
    assert.deepEqual(await run(after, [3, 6]), await run(before, [3, 6]))
    assert.deepEqual(
      [
        ...specialise(after, { shapes: { x: [3, 6] } })
          .builder.parameters()
          .keys(),
      ],
      ['W'],
    )
    // Nothing is touched where it does not train.
    assert.deepEqual(withFloatWeights(before, () => false).graph, before.graph)
  })

for (const [bitsEach, zeros, bias] of [
  [4, 'none', false],
  [4, 'packed', true],
  [8, 'packed', false],
] as const)
  test(`MatMulNBits of ${bitsEach} bits, zero points ${zeros}, ${bias ? 'a' : 'no'} bias`, async () => {
    const [k, n, block] = [40, 6, 16]
    const blocks = Math.ceil(k / block)
    const packedZeros = Math.ceil((blocks * bitsEach) / 8)
    const attributes = { K: k, N: n, bits: bitsEach, block_size: block }
    const before = model(
      {
        inputs: [value('x', [3, k])],
        outputs: [value('y', [3, n])],
        nodes: [
          {
            ...node(
              'MatMulNBits',
              ['x', 'B', 's', zeros === 'packed' ? 'z' : '', ...(bias ? ['', 'b'] : [])],
              ['y'],
              Object.fromEntries(Object.entries(attributes).map(([name, v]) => [name, attr.int(v)])),
            ),
            domain: 'com.microsoft',
          },
        ],
        initializers: new Map([
          ['B', bits('uint8', [n, blocks, (block * bitsEach) / 8])],
          ['s', scales(n * blocks)],
          ...(zeros === 'packed' ? ([['z', bits('uint8', [n * packedZeros], 3)]] as const) : []),
          ...(bias ? ([['b', weights([n])]] as const) : []),
        ]),
      },
      21,
      10,
    )
    before.opsets.set('com.microsoft', 1)
    assert.deepEqual(
      listParameters(before).map((p) => [p.value, p.role]),
      [['B', 'weight'], ...(bias ? [['b', 'bias']] : [])],
    )
    const after = withFloatWeights(before, () => true)
    assert.deepEqual(after.graph.initializers.get('B')?.dims, [k, n])
    assert.deepEqual(operators(after.graph), bias ? ['MatMul', 'Add'] : ['MatMul'])
    const [expected, found] = [await run(before, [3, k]), await run(after, [3, k])]
    const largest = Math.max(...expected.map(Math.abs))
    expected.forEach((v, i) => {
      assert.ok(Math.abs(v - (found[i] as number)) < 1e-5 * largest)
    })
  })

test('activations: what depends on a trained weight keeps the range it saturates at, all else its pairs', async () => {
  const pair = (from: string, to: string) => [
    node('QuantizeLinear', [from, 'as', 'az'], [`${from}.q`]),
    node('DequantizeLinear', [`${from}.q`, 'as', 'az'], [to]),
  ]
  for (const opset of [10, 13, 21]) {
    // The quantiser has left the Relu behind "h" to the range: its zero point is the smallest number.
    const before = model(
      {
        inputs: [value('x', [3, 6])],
        outputs: [value('y', [3, 4])],
        nodes: [
          ...pair('x', 'x.d'),
          node('MatMul', ['x.d', 'A'], ['h']),
          ...pair('h', 'h.d'),
          node('DequantizeLinear', ['W', 's'], ['w']),
          node('MatMul', ['h.d', 'w'], ['g']),
          ...pair('g', 'y'),
        ],
        initializers: new Map([
          ['A', weights([6, 6])],
          ['W', bits('int8', [6, 4])],
          ['s', scales()],
          ['as', float32([], [0.02])],
          ['az', { type: 'uint8', dims: [], data: Uint8Array.of(0) }],
        ]),
      },
      opset,
      8,
    )
    const upper = withFloatWeights(before, (name) => name === 'W')
    assert.equal(operators(upper.graph).filter((o) => o === 'QuantizeLinear').length, 2)
    const all = withFloatWeights(before, (name) => name === 'W' || name === 'A')
    assert.deepEqual(
      operators(all.graph).filter((o) => o !== 'MatMul'),
      ['QuantizeLinear', 'DequantizeLinear', 'Clip', 'Clip'],
    )
    const [expected, found] = [await run(before, [3, 6]), await run(all, [3, 6])]
    assert.ok(expected.some((v) => v === 0) && expected.some((v) => v > 0), 'both sides of the range occur')
    // Rounding is all that is lost.
    expected.forEach((v, i) => {
      assert.ok(Math.abs(v - (found[i] as number)) < 0.3, `${v} and ${found[i]}`)
    })
    found.forEach((v) => {
      assert.ok(v >= 0 && v <= Math.fround(255 * Math.fround(0.02)))
    })
  }
})

test('weights that two readers take differently are left as they are', () => {
  const twice = model({
    inputs: [value('x', [3, 6])],
    outputs: [value('y', [3, 4]), value('W', [6, 4], 'int8')],
    nodes: [dequantize('W', ''), node('MatMul', ['x', 'w'], ['y'])],
    initializers: new Map([
      ['W', bits('int8', [6, 4])],
      ['s', scales()],
    ]),
  })
  assert.equal(quantisedWeights(twice.graph).size, 0)
})

test('one quantised tensor used twice is one parameter', async () => {
  const tied = model(
    {
      inputs: [value('x', [3, 6])],
      outputs: [value('y', [3, 6])],
      nodes: [
        dequantize('W', ''),
        node('Transpose', ['W'], ['t'], { perm: attr.ints([1, 0]) }),
        { ...dequantize('t', ''), name: 'v', outputs: ['v'] },
        node('MatMul', ['x', 'w'], ['h']),
        node('MatMul', ['h', 'v'], ['y']),
      ],
      initializers: new Map([
        ['W', bits('int8', [6, 4])],
        ['s', scales()],
      ]),
    },
    21,
    10,
  )
  assert.equal(listParameters(tied).length, 1)
  const after = withFloatWeights(tied, () => true)
  assert.deepEqual(operators(after.graph), ['Transpose', 'MatMul', 'MatMul'])
  assert.deepEqual(await run(after, [3, 6]), await run(tied, [3, 6]))
})

test('a network that computes in float16 computes in float32, its stored weights untouched', async () => {
  const half = (dims: number[], values: number[]): Tensor => ({
    type: 'float16',
    dims,
    data: Uint16Array.from(values, (v) => [0, 0x3c00, 0x4000, 0xbc00][v] as number),
  })
  const W = half(
    [6, 4],
    Array.from({ length: 24 }, (_, i) => (i * 5) % 4),
  )
  const before = model(
    {
      inputs: [value('x', [3, 6])],
      outputs: [value('y', [3, 4])],
      nodes: [
        node('Cast', ['x'], ['x16'], { to: attr.int(10) }),
        node('MatMul', ['x16', 'W'], ['h']),
        node('Constant', [], ['c'], { value: attr.tensor(half([4], [1, 2, 3, 1])) }),
        node('Add', ['h', 'c'], ['s']),
        node('Cast', ['s'], ['y'], { to: attr.int(1) }),
      ],
      initializers: new Map([['W', W]]),
      valueInfo: new Map([['h', { type: 'float16', shape: [3, 4] }]]),
    },
    17,
  )
  const after = inFloat32(before)
  assert.equal(after.graph.initializers.get('W.float16'), W)
  assert.deepEqual(after.graph.valueInfo.get('h'), { type: 'float32', shape: [3, 4] })
  assert.deepEqual(
    listParameters(after).map((p) => [p.name, p.value]),
    [
      ['W', 'W.float16'],
      ['c', 'c.float16'],
    ],
  )
  const [expected, found] = [await run(before, [3, 6]), await run(after, [3, 6])]
  expected.forEach((v, i) => {
    assert.ok(Math.abs(v - (found[i] as number)) < 0.01)
  })
  // Trained, both are float32 and no Cast is left but those of the input.
  const trained = withTrained(
    after,
    new Map([
      ['W.float16', weights([6, 4])],
      ['c.float16', weights([4])],
    ]),
  )
  assert.deepEqual([...trained.graph.initializers.keys()], ['W', 'c'])
  assert.deepEqual(operators(trained.graph), ['Cast', 'MatMul', 'Add', 'Cast'])
  await run(trained, [3, 6])
})

test('float16 inputs and outputs keep their types, inside sub-graphs too everything is float32', async () => {
  const branch = (opType: string): Graph => ({
    ...model({}).graph,
    name: opType,
    nodes: [node(opType, ['h'], [`${opType}.out`])],
    outputs: [value(`${opType}.out`, undefined, 'float16')],
  })
  const before = model(
    {
      inputs: [value('a', [2, 2], 'float16'), value('yes', [], 'bool')],
      outputs: [value('b', [2, 2], 'float16')],
      nodes: [
        node('Mul', ['a', 'W'], ['h']),
        node('If', ['yes'], ['b'], {
          then_branch: { kind: 'graph', value: branch('Relu') },
          else_branch: { kind: 'graph', value: branch('Tanh') },
        }),
      ],
      initializers: new Map([['W', { type: 'float16', dims: [2], data: Uint16Array.of(0x3c00, 0xc000) } as Tensor]]),
    },
    17,
  )
  const after = inFloat32(before)
  assert.deepEqual(after.graph.inputs, before.graph.inputs)
  assert.deepEqual(after.graph.outputs, before.graph.outputs)
  const feeds = {
    a: new OrtTensor('float16', Uint16Array.of(0x3c00, 0xbc00, 0x4000, 0x3800) as unknown as Uint16Array, [2, 2]),
    yes: new OrtTensor('bool', Uint8Array.of(1), []),
  }
  const results = async (m: Model) => {
    const session = await InferenceSession.create(writeModel(m), { logSeverityLevel: 3 })
    const { b } = await session.run(feeds)
    return Array.from(b?.data as Uint16Array)
  }
  assert.deepEqual(await results(after), await results(before))
})
