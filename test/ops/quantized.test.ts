/**
 * Operators that compute with integers: what they give is what onnxruntime computes, to a step of the rounding, and their
 * gradient is that of the float operator, as rounding is passed straight through.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { Random } from '#graft/base/random.js'
import { type Attribute, attr, type Model, type Node } from '#graft/graph/graph.js'
import { float32, sizeOf, type Tensor } from '#graft/graph/tensor.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { MICROSOFT, type Operator } from '#graft/ops/operator.js'
import { microsoftQuantizedOperators, quantizedOperators } from '#graft/ops/quantizedOperators.js'
import { specialise } from '#graft/passes/specialise.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor } from '#graft/runtime/types.js'
import { model, node, value } from '../onnx/build.js'
import { runOnce } from '../support/compare.js'

/** A tensor that goes in as float32 and is quantised in front of the operator; or only a scale and a zero point. */
interface Quantity {
  readonly dims?: readonly number[]
  readonly scale: number | readonly number[]
  readonly zero: number
  readonly type?: 'uint8' | 'int8'
  readonly axis?: number
  /** By DynamicQuantizeLinear, which chooses scale and zero point itself. */
  readonly dynamic?: boolean
}

interface QuantizedCase {
  readonly opType: string
  readonly domain?: string
  readonly quantities: Readonly<Record<string, Quantity>>
  /** `a` is a quantity's integers, `a.s` its scale, `a.z` its zero point; 'condition' and 'bias' are as they are. */
  readonly inputs: readonly string[]
  readonly attributes?: Readonly<Record<string, Attribute>>
  readonly constants?: Readonly<Record<string, Tensor>>
  /** What the result, as float32, is multiplied with; it is dequantised where there is a quantity `y`. */
  readonly times?: readonly string[]
  /** The same in float, from the numbers of the quantities. */
  readonly float: (g: GraphBuilder, reals: Readonly<Record<string, string>>) => string
}

const { int, ints } = attr
const u8 = (scale: number, ...dims: number[]): Quantity => ({ dims, scale, zero: 128 })
const i8 = (scale: number | readonly number[], axis: number, ...dims: number[]): Quantity => ({
  dims,
  scale,
  zero: 0,
  type: 'int8',
  axis,
})
const y: Quantity = { scale: 0.08, zero: 120 }
const linear = (...names: string[]) => names.flatMap((name) => [name, `${name}.s`, `${name}.z`])
const bias: Tensor = { type: 'int32', dims: [3], data: Int32Array.of(300, -200, 1000) }
/** The bias as float, of scales 0.02 and those of the weight. */
const realBias = [0.01, 0.02, 0.03].map((s, i) => 0.02 * s * Number(bias.data[i]))
const twos = ints([2, 2])

const cases: readonly QuantizedCase[] = [
  {
    opType: 'QLinearConv',
    quantities: { a: u8(0.02, 1, 2, 5, 5), b: i8([0.01, 0.02, 0.03], 0, 3, 2, 3, 3), y },
    inputs: [...linear('a', 'b'), 'y.s', 'y.z', 'bias'],
    constants: { bias },
    attributes: { pads: ints([1, 1, 1, 1]) },
    float: (g, r) => {
      const made = g.op('Conv', [r.a as string, r.b as string], { pads: ints([1, 1, 1, 1]) })
      return g.op('Add', [made, g.constant(float32([1, 3, 1, 1], realBias))])
    },
  },
  {
    opType: 'QLinearConv',
    quantities: { a: u8(0.02, 1, 4, 6, 6), b: i8(0.01, 0, 4, 2, 3, 3), y },
    inputs: [...linear('a', 'b'), 'y.s', 'y.z'],
    attributes: { auto_pad: attr.string('SAME_UPPER'), strides: twos, group: int(2) },
    float: (g, r) =>
      g.op('Conv', [r.a as string, r.b as string], { pads: ints([0, 0, 1, 1]), strides: twos, group: int(2) }),
  },
  {
    opType: 'QLinearConv',
    domain: MICROSOFT,
    quantities: { a: u8(0.02, 1, 5, 5, 2), b: i8(0.02, 0, 3, 2, 3, 3), y },
    inputs: [...linear('a', 'b'), 'y.s', 'y.z'],
    attributes: { channels_last: int(1) },
    float: (g, r) => {
      const first = g.op('Transpose', [r.a as string], { perm: ints([0, 3, 1, 2]) })
      return g.op('Transpose', [g.op('Conv', [first, r.b as string])], { perm: ints([0, 2, 3, 1]) })
    },
  },
  {
    opType: 'QLinearMatMul',
    quantities: { a: u8(0.02, 3, 8), b: i8([0.01, 0.02], 1, 8, 2), y },
    inputs: [...linear('a', 'b'), 'y.s', 'y.z'],
    float: (g, r) => g.op('MatMul', [r.a as string, r.b as string]),
  },
  {
    opType: 'QLinearMatMul',
    quantities: { a: u8(0.02, 2, 3, 8), b: u8(0.02, 2, 8, 2), y },
    inputs: [...linear('a', 'b'), 'y.s', 'y.z'],
    float: (g, r) => g.op('MatMul', [r.a as string, r.b as string]),
  },
  {
    opType: 'MatMulInteger',
    quantities: { a: u8(0.02, 3, 8), b: i8(0.01, 1, 8, 2) },
    inputs: ['a', 'b', 'a.z'],
    times: ['a.s', 'b.s'],
    float: (g, r) => g.op('MatMul', [r.a as string, r.b as string]),
  },
  {
    opType: 'MatMulInteger',
    quantities: { a: { ...u8(0, 3, 8), dynamic: true }, b: i8([0.01, 0.02], 1, 8, 2) },
    inputs: ['a', 'b', 'a.z', 'b.z'],
    times: ['a.s', 'b.s'],
    float: (g, r) => g.op('MatMul', [r.a as string, r.b as string]),
  },
  {
    opType: 'ConvInteger',
    quantities: { a: { ...u8(0, 1, 2, 5, 5), dynamic: true }, b: u8(0.02, 3, 2, 3, 3) },
    inputs: ['a', 'b', 'a.z', 'b.z'],
    attributes: { pads: ints([1, 0, 1, 0]) },
    times: ['a.s', 'b.s'],
    float: (g, r) => g.op('Conv', [r.a as string, r.b as string], { pads: ints([1, 0, 1, 0]) }),
  },
  ...(['Add', 'Mul'] as const).map(
    (opType): QuantizedCase => ({
      opType: `QLinear${opType}`,
      domain: MICROSOFT,
      quantities: { a: u8(0.02, 3, 4), b: u8(0.03, 4), y },
      inputs: [...linear('a', 'b'), 'y.s', 'y.z'],
      float: (g, r) => g.op(opType, [r.a as string, r.b as string]),
    }),
  ),
  {
    opType: 'QLinearAveragePool',
    domain: MICROSOFT,
    quantities: { a: u8(0.02, 1, 2, 5, 5), y: { ...y, scale: 0.023 } },
    inputs: [...linear('a'), 'y.s', 'y.z'],
    attributes: { kernel_shape: twos, strides: twos, pads: ints([1, 0, 0, 1]), count_include_pad: int(1) },
    float: (g, r) =>
      g.op('AveragePool', [r.a as string], {
        kernel_shape: twos,
        strides: twos,
        pads: ints([1, 0, 0, 1]),
        count_include_pad: int(1),
      }),
  },
  {
    opType: 'QLinearGlobalAveragePool',
    domain: MICROSOFT,
    quantities: { a: u8(0.02, 1, 3, 3, 2), y: { ...y, scale: 0.02 } },
    inputs: [...linear('a'), 'y.s', 'y.z'],
    attributes: { channels_last: int(1) },
    float: (g, r) => g.op('ReduceMean', [r.a as string, g.ints([1, 2])], { keepdims: int(1) }),
  },
  {
    opType: 'QLinearLeakyRelu',
    domain: MICROSOFT,
    quantities: { a: u8(0.02, 3, 4), y: { ...y, scale: 0.02 } },
    inputs: [...linear('a'), 'y.s', 'y.z'],
    attributes: { alpha: attr.float(0.3) },
    float: (g, r) => g.op('LeakyRelu', [r.a as string], { alpha: attr.float(0.3) }),
  },
  {
    opType: 'QLinearSigmoid',
    domain: MICROSOFT,
    quantities: { a: u8(0.02, 3, 4), y: { scale: 0.005, zero: 3 } },
    inputs: [...linear('a'), 'y.s', 'y.z'],
    float: (g, r) => g.op('Sigmoid', [r.a as string]),
  },
  ...[9, 13].map(
    (opset): QuantizedCase => ({
      opType: 'QLinearSoftmax',
      domain: MICROSOFT,
      quantities: { a: u8(0.02, 3, 2, 2), y: { scale: 1 / 256, zero: 0 } },
      inputs: [...linear('a'), 'y.s', 'y.z'],
      attributes: { axis: int(1), opset: int(opset) },
      float: (g, r) => {
        if (opset === 13) return g.op('Softmax', [r.a as string], { axis: int(1) })
        const flat = g.op('Softmax', [g.op('Reshape', [r.a as string, g.ints([3, 4])])], { axis: int(-1) })
        return g.op('Reshape', [flat, g.ints([3, 2, 2])])
      },
    }),
  ),
  {
    opType: 'QLinearConcat',
    domain: MICROSOFT,
    quantities: { a: u8(0.02, 1, 4), b: u8(0.03, 2, 4), y: { ...y, scale: 0.03 } },
    inputs: ['y.s', 'y.z', ...linear('a', 'b')],
    attributes: { axis: int(0) },
    float: (g, r) => g.op('Concat', [r.a as string, r.b as string], { axis: int(0) }),
  },
  {
    opType: 'QLinearWhere',
    domain: MICROSOFT,
    quantities: { a: u8(0.02, 3, 4), b: u8(0.03, 3, 4), y: { ...y, scale: 0.03 } },
    inputs: ['condition', ...linear('a', 'b'), 'y.s', 'y.z'],
    constants: { condition: { type: 'bool', dims: [4], data: Uint8Array.of(1, 0, 0, 1) } },
    float: (g, r) => {
      const condition = g.constant({ type: 'bool', dims: [4], data: Uint8Array.of(1, 0, 0, 1) })
      return g.op('Where', [condition, r.a as string, r.b as string])
    },
  },
  {
    opType: 'QGemm',
    domain: MICROSOFT,
    quantities: { a: u8(0.02, 3, 8), b: i8([0.01, 0.02, 0.03], 0, 3, 8), y },
    inputs: [...linear('a', 'b'), 'bias', 'y.s', 'y.z'],
    constants: { bias },
    attributes: { transB: int(1) },
    float: (g, r) =>
      g.op('Gemm', [r.a as string, r.b as string, g.constant(float32([3], realBias))], { transB: int(1) }),
  },
  {
    opType: 'QGemm',
    domain: MICROSOFT,
    quantities: { a: u8(0.02, 8, 3), b: i8(0.01, 0, 8, 3) },
    inputs: linear('a', 'b'),
    attributes: { transA: int(1), alpha: attr.float(0.5) },
    float: (g, r) => g.op('Gemm', [r.a as string, r.b as string], { transA: int(1), alpha: attr.float(0.5) }),
  },
  {
    opType: 'MatMulIntegerToFloat',
    domain: MICROSOFT,
    quantities: { a: u8(0.02, 3, 8), b: i8([0.01, 0.02], 1, 8, 2) },
    inputs: ['a', 'b', 'a.s', 'b.s', 'a.z', 'b.z', 'bias'],
    constants: { bias: float32([2], [0.4, -0.7]) },
    float: (g, r) =>
      g.op('Add', [g.op('MatMul', [r.a as string, r.b as string]), g.constant(float32([2], [0.4, -0.7]))]),
  },
  {
    opType: 'DynamicQuantizeMatMul',
    domain: MICROSOFT,
    quantities: { b: i8(0.01, 1, 8, 2) },
    inputs: ['plain', 'b', 'b.s', 'b.z'],
    float: (g, r) => g.op('MatMul', [r.plain as string, r.b as string]),
  },
]

/** Cases whose operator onnxruntime's CPU provider has no kernel for: only the gradient is compared. */
const withoutKernel: readonly QuantizedCase[] = [
  {
    opType: 'QLinearReduceMean',
    domain: MICROSOFT,
    quantities: { a: u8(0.02, 3, 4), y: { ...y, scale: 0.02 } },
    inputs: [...linear('a'), 'y.s', 'y.z'],
    attributes: { axes: ints([1]), keepdims: int(0) },
    float: (g, r) => g.op('ReduceMean', [r.a as string, g.ints([1])], { keepdims: int(0) }),
  },
]

const integers = (type: 'uint8' | 'int8', dims: readonly number[], value: number): Tensor => ({
  type,
  dims,
  data: type === 'uint8' ? new Uint8Array(sizeOf(dims)).fill(value) : new Int8Array(sizeOf(dims)).fill(value),
})

/** What the case is fed with: float32 by name. */
function feedsOf(c: QuantizedCase): Record<string, HostTensor> {
  const random = new Random(1, c.opType)
  const shapes = Object.entries(c.quantities).flatMap(([name, { dims }]) => (dims ? [[name, dims] as const] : []))
  if (c.inputs.includes('plain')) shapes.push(['plain', [3, 8]])
  return Object.fromEntries(
    shapes.map(([name, dims]) => [
      `${name}.x`,
      floats(
        dims,
        // Away from zero, where rounding may choose the other side of a kink.
        Float32Array.from({ length: sizeOf(dims) }, () => random.uniform(0.1, 1) * (random.integer(2) === 0 ? 1 : -1)),
      ),
    ]),
  )
}

/** Floats -> quantised -> the operator -> float `out`. */
function quantizedModel(c: QuantizedCase): Model {
  const nodes: Node[] = []
  const initializers = new Map<string, Tensor>(Object.entries(c.constants ?? {}))
  for (const [name, { dims, scale, zero, type = 'uint8', axis = 0, dynamic }] of Object.entries(c.quantities)) {
    if (dynamic) {
      nodes.push(node('DynamicQuantizeLinear', [`${name}.x`], [name, `${name}.s`, `${name}.z`]))
      continue
    }
    const parts = typeof scale === 'number' ? [] : [scale.length]
    initializers.set(`${name}.s`, float32(parts, typeof scale === 'number' ? [scale] : scale))
    initializers.set(`${name}.z`, integers(type, parts, zero))
    if (dims) nodes.push(node('QuantizeLinear', [`${name}.x`, `${name}.s`, `${name}.z`], [name], { axis: int(axis) }))
  }
  const inputs = c.inputs.map((name) => (name === 'plain' ? 'plain.x' : name))
  nodes.push({ ...node(c.opType, inputs, ['y'], c.attributes), domain: c.domain ?? '' })
  let last = 'y'
  if (c.quantities.y) {
    nodes.push(node('DequantizeLinear', ['y', 'y.s', 'y.z'], ['real']))
    last = 'real'
  } else {
    nodes.push(node('Cast', ['y'], ['as float'], { to: int(1) }))
    last = 'as float'
  }
  for (const factor of c.times ?? []) {
    nodes.push(node('Mul', [last, factor], [`${last} ${factor}`]))
    last = `${last} ${factor}`
  }
  nodes.push(node('Identity', [last], ['out']))
  const fed = Object.entries(feedsOf(c)).map(([name, { dims }]) => value(name, dims))
  const made = model({ inputs: fed, outputs: [value('out', undefined)], nodes, initializers }, 21, 10)
  made.opsets.set(MICROSOFT, 1)
  return made
}

/** Appends the gradients of <seed, value> and what they are of as outputs; runs the graph. */
async function run(
  engine: Engine,
  g: GraphBuilder,
  of: string,
  feeds: Record<string, HostTensor>,
): Promise<Record<string, HostTensor>> {
  const shape = g.shape(of)
  const random = new Random(2, 'seed')
  const seed = floats(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
  )
  const gradients = differentiate(g, new Map([[of, g.input('seed', { type: 'float32', shape })]]), Object.keys(feeds))
  for (const [name, gradient] of gradients) g.output(`gradient of ${name}`, gradient)
  g.output('value', of)
  return runOnce(engine, g.model(), { ...feeds, seed })
}

describe('quantised operators', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  for (const c of [...cases, ...withoutKernel]) {
    const name = `${c.domain === undefined ? '' : `${c.domain}.`}${c.opType}`
    it(`${name} ${Object.values(c.quantities).map(({ dims = [] }) => `(${dims})`)}`, async () => {
      const feeds = feedsOf(c)
      const source = quantizedModel(c)
      const shapes = Object.fromEntries(Object.entries(feeds).map(([key, { dims }]) => [key, dims]))
      const { builder, value: at } = specialise(source, { shapes })
      const found = await run(engine, builder, at('out'), feeds)
      if (!withoutKernel.includes(c)) {
        const expected = (await runOnce(engine, source, feeds)).out as HostTensor
        assert.deepEqual([...(found.value as HostTensor).dims], [...expected.dims])
        const scale = c.quantities.y?.scale ?? 0
        let apart = 0
        expected.data.forEach((v, i) => {
          const off = Math.abs(Number(v) - Number(found.value?.data[i]))
          assert.ok(off <= 1.01 * Number(scale) + 2e-4 * Math.abs(Number(v)) + 1e-5, `element ${i} is off by ${off}`)
          if (off > 2e-4 * Math.abs(Number(v)) + 1e-5) apart++
        })
        assert.ok(
          apart <= Math.max(1, expected.data.length / 20),
          `${apart} of ${expected.data.length} round otherwise`,
        )
      }
      const g = new GraphBuilder('float')
      const reals = Object.entries(feeds).map(([key, { dims }]) => {
        return [key.slice(0, -2), g.input(key, { type: 'float32', shape: dims })] as const
      })
      const plain = await run(engine, g, c.float(g, Object.fromEntries(reals)), feeds)
      for (const key of Object.keys(feeds)) {
        const numbers = (of: Record<string, HostTensor>) => {
          const tensor = of[`gradient of ${key}`]
          assert.ok(tensor, `no gradient of ${key}`)
          return Array.from(tensor.data as Float32Array)
        }
        const [a, b] = [numbers(found), numbers(plain)]
        const largest = Math.max(...b.map(Math.abs))
        // Products are with rounded numbers.
        b.forEach((v, i) => {
          assert.ok(Math.abs(v - (a[i] as number)) <= 0.04 * largest, `${key} ${i}: ${a[i]}, in float ${v}`)
        })
      }
    })
  }

  it('have a case each', () => {
    const tested = (domain: string | undefined) =>
      new Set([...cases, ...withoutKernel].filter((c) => c.domain === domain).map((c) => c.opType))
    const missing = (rows: Readonly<Record<string, Operator>>, names: ReadonlySet<string>) =>
      Object.entries(rows).flatMap(([opType, row]) =>
        row.gradient.kind === 'expanded' && !names.has(opType) ? [opType] : [],
      )
    assert.deepEqual(missing(quantizedOperators, tested(undefined)), [])
    assert.deepEqual(missing(microsoftQuantizedOperators, tested(MICROSOFT)), [])
  })
})
