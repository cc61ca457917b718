/** onnxruntime's activations and products with something fused to them, as the standard operators that they join. */
import { type Attribute, attr, floatAttribute, intAttribute, stringAttribute } from '../graph/graph.js'
import { sizeOf, toNumbers } from '../graph/tensor.js'
import { reshape, slice } from './emit.js'
import { fusedMatMul, transposedProduct } from './matmul.js'
import { type Emitter, expanded, normaliseAxis, type Operator, type UpgradeContext } from './operator.js'

const given = (value: string | undefined): value is string => (value ?? '') !== ''
const input = (c: UpgradeContext, i: number) => c.inputs[i] as string
const plus = (g: Emitter, a: string, b: string | undefined) => (given(b) ? g.op('Add', [a, b]) : a)

/** y = activation(x), with the attributes activation_alpha, ... under their own names. */
function activated(c: UpgradeContext, x: string): string {
  const name = stringAttribute(c.node, 'activation', '')
  if (name === '') return x
  const attributes: Record<string, Attribute> = {}
  for (const key of ['alpha', 'beta', 'gamma', 'axis']) {
    const found = c.node.attributes.get(`activation_${key}`)
    if (found && (TAKES[name] ?? []).includes(key)) attributes[key] = found
  }
  if (!TAKES[name]) return c.refuse(`has the activation "${name}", which is not read`)
  return c.g.op(name, [x], attributes)
}

/** The activations that are fused, and their attributes. */
const TAKES: Readonly<Record<string, readonly string[]>> = {
  Relu: [],
  Tanh: [],
  Sigmoid: [],
  Softplus: [],
  Softsign: [],
  LeakyRelu: ['alpha'],
  Elu: ['alpha'],
  Celu: ['alpha'],
  ThresholdedRelu: ['alpha'],
  HardSigmoid: ['alpha', 'beta'],
  Selu: ['alpha', 'gamma'],
  Softmax: ['axis'],
  LogSoftmax: ['axis'],
}

function gemm(c: UpgradeContext): string {
  const attributes = Object.fromEntries(
    Object.entries(c.attributes()).filter(([name]) => !name.startsWith('activation')),
  )
  return c.g.op('Gemm', c.inputs, attributes)
}

const gelu = (g: Emitter, x: string, approximate: 'none' | 'tanh') =>
  g.op('Gelu', [x], { approximate: attr.string(approximate) })

/** softmax(data + bias) over all axes from `axis` on; a bias of lower rank stands for every index of the axes in front. */
function biasSoftmax(c: UpgradeContext): string {
  const { g, node } = c
  const shape = g.shape(input(c, 0))
  const axis = normaliseAxis(intAttribute(node, 'axis', 1), shape.length, c.refuse)
  const sum = g.op('Add', [input(c, 0), input(c, 1)])
  if (axis === shape.length - 1) return g.op('Softmax', [sum], { axis: attr.int(-1) })
  const flat = reshape(g, sum, [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis))])
  return reshape(g, g.op('Softmax', [flat], { axis: attr.int(-1) }), shape)
}

/** Numbers of 2, 4 or 8 bits, the first in the lowest bits of each byte. */
function unpack(bytes: readonly number[], bits: number): number[] {
  const each = 8 / bits
  return bytes.flatMap((byte) => Array.from({ length: each }, (_, i) => (byte >> (i * bits)) & (2 ** bits - 1)))
}

/** Y = A W' with W (N, K) stored as blocks of integers along K: W = (integer - zero point) scale. */
function nBits(c: UpgradeContext): string {
  const { g, node } = c
  const [a, packed, scales, zeros, , bias] = c.inputs as readonly [string, string, string, ...string[]]
  const [N, K] = [intAttribute(node, 'N', 0), intAttribute(node, 'K', 0)]
  const [bits, block] = [intAttribute(node, 'bits', 4), intAttribute(node, 'block_size', 32)]
  const blocks = Math.ceil(K / block)
  if (given(c.inputs[4]) || intAttribute(node, 'weight_prepacked', 0) !== 0)
    return c.refuse('has its weight in an order of its own, which is not read')
  const known = g.valueOf(packed)
  if (!known) return c.refuse('has a packed weight that is not in the file')
  const whole = g.constant({
    type: 'uint8',
    dims: [N, blocks, block],
    data: Uint8Array.from(unpack(toNumbers(known), bits)),
  })
  let centred = g.op('Cast', [whole], { to: attr.int(1) })
  const float = given(zeros) && g.typeOf(zeros).type === 'float32'
  const stored = given(zeros) && !float ? g.valueOf(zeros) : undefined
  if (given(zeros) && !float && !stored) return c.refuse('has packed zero points that are not in the file')
  if (float) centred = g.op('Sub', [centred, reshape(g, zeros as string, [N, blocks, 1])])
  else {
    const row = stored && Math.ceil((blocks * bits) / 8)
    const unpacked = stored && unpack(toNumbers(stored), bits)
    const perRow = row === undefined ? 0 : (row * 8) / bits
    const points = Float32Array.from({ length: N * blocks }, (_, i) =>
      unpacked ? (unpacked[Math.floor(i / blocks) * perRow + (i % blocks)] as number) : 2 ** (bits - 1),
    )
    centred = g.op('Sub', [centred, g.constant({ type: 'float32', dims: [N, blocks, 1], data: points })])
  }
  const weight = g.op('Mul', [centred, reshape(g, scales, [N, blocks, 1])])
  const columns = slice(g, reshape(g, weight, [N, blocks * block]), 1, 0, K)
  return plus(g, fusedMatMul(g, a, columns, false, true), bias)
}

export const microsoftFused = {
  Gelu: expanded('Gelu', (c) => [gelu(c.g, input(c, 0), 'none')]),
  FastGelu: expanded('Gelu', (c) => [gelu(c.g, plus(c.g, input(c, 0), c.inputs[1]), 'tanh')]),
  BiasGelu: expanded('Add, Gelu', (c) => [gelu(c.g, plus(c.g, input(c, 0), c.inputs[1]), 'none')]),
  QuickGelu: expanded('Mul, Sigmoid', (c) => {
    const scaled = c.g.op('Mul', [input(c, 0), c.g.float(floatAttribute(c.node, 'alpha', 1.702))])
    return [c.g.op('Mul', [input(c, 0), c.g.op('Sigmoid', [scaled])])]
  }),
  BiasAdd: expanded('Add', (c) => [plus(c.g, plus(c.g, input(c, 0), c.inputs[1]), c.inputs[2])]),
  BiasSoftmax: expanded('Add, Softmax', (c) => [biasSoftmax(c)]),
  TransposeMatMul: expanded('FusedMatMul', (c) => [transposedProduct(c)]),
  FusedMatMulActivation: expanded('FusedMatMul and an activation', (c) => [activated(c, transposedProduct(c))]),
  FusedGemm: expanded('Gemm and an activation', (c) => [activated(c, gemm(c))]),
  MatMulNBits: expanded('Mul, MatMul', (c) => [nBits(c)]),
} as const satisfies Record<string, Operator>
