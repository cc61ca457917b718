/**
 * Operators that compute with integers of a scale and a zero point, written as the float operator between dequantising and
 * rounding. What they give stays float32 holding the integers, so that gradients pass, straight through the rounding.
 */
import { type Attribute, attr, floatAttribute, intAttribute, intsAttribute } from '../graph/graph.js'
import { RANGES, sizeOf } from '../graph/tensor.js'
import { reshape, transpose } from './emit.js'
import { expanded, none, type Operator, type UpgradeContext } from './operator.js'
import { dequantized } from './quantization.js'
import { explicitWindow } from './window.js'

const input = (c: UpgradeContext, i: number): string => c.inputs[i] ?? ''
const toFloat = (c: UpgradeContext, value: string): string =>
  c.g.typeOf(value).type === 'float32' ? value : c.g.op('Cast', [value], { to: attr.int(1) })

/** Scales or zero points of an axis of a value, so that they broadcast against it. */
function along(c: UpgradeContext, parts: string, value: string, axis: number): string {
  const { g } = c
  const own = g.shape(parts)
  const rank = g.shape(value).length
  if (own.length > 1) return parts
  const at = axis < 0 ? axis + rank : axis
  const shape = g.shape(value).map((_, i) => (i === at ? sizeOf(own) : 1))
  return sizeOf(own) === 1 ? reshape(g, parts, []) : reshape(g, parts, shape)
}

/** The numbers that input i stands for; its scale and zero point follow it. */
function real(c: UpgradeContext, i: number, axis = 0, zero = input(c, i + 2)): string {
  return realOf(c, input(c, i), input(c, i + 1), zero, axis)
}

function realOf(c: UpgradeContext, value: string, scale: string, zero: string, axis: number): string {
  if (c.g.shape(scale).length <= 1) return dequantized(c, [value, scale, zero], axis)
  const centred = zero === '' ? toFloat(c, value) : c.g.op('Sub', [toFloat(c, value), toFloat(c, zero)])
  return c.g.op('Mul', [centred, scale])
}

/** y rounded to integers of the scale and the zero point, held as float32, with the gradient of y / scale within their range. */
function rounded(c: UpgradeContext, y: string, scale: string, zero: string, axis = -2): string[] {
  const { g } = c
  const type = zero === '' ? 'uint8' : g.typeOf(zero).type
  const range = RANGES[type]
  if (!range) return c.refuse(`rounds to ${type}, which is not read`)
  const [lowest, highest] = range
  const share = g.op('Div', [y, along(c, scale, y, axis)])
  const moved = (value: string) => (zero === '' ? value : g.op('Add', [value, along(c, toFloat(c, zero), y, axis)]))
  const whole = g.op('Clip', [moved(g.op('Round', [share])), g.float(lowest), g.float(highest)])
  // The numbers half a step beyond the ends still round to them.
  const inside = g.op('Clip', [moved(share), g.float(lowest - 0.5), g.float(highest + 0.5)])
  return [g.op('Add', [whole, g.op('Sub', [inside, g.detached(inside)])])]
}

/** value - zero, as float32. What was rounded just before takes the gradient straight through. */
function centred(c: UpgradeContext, value: string, zero: string, axis: number): string {
  const { g } = c
  const from = g.producerOf(value)
  if (from?.opType === 'QuantizeLinear') {
    const scale = from.inputs[1] as string
    return g.op('Div', [dequantized(c, [value, scale, zero], axis), along(c, scale, value, axis)])
  }
  const whole =
    zero === '' ? toFloat(c, value) : g.op('Sub', [toFloat(c, value), along(c, toFloat(c, zero), value, axis)])
  if (from?.opType !== 'DynamicQuantizeLinear') return whole
  const share = g.op('Div', [from.inputs[0] as string, from.outputs[1] as string])
  return g.op('Add', [whole, g.op('Sub', [share, g.detached(share)])])
}

/** Attributes of the operator without those that only its quantised form has. */
function without(c: UpgradeContext, ...names: readonly string[]): Record<string, Attribute> {
  return Object.fromEntries(Object.entries(c.attributes()).filter(([name]) => !names.includes(name)))
}

/** Runs an operator that has its channels after the batch on a value that may have them last. */
function channelsFirst(c: UpgradeContext, x: string, run: (first: string) => string): string {
  if (intAttribute(c.node, 'channels_last', 0) !== 1) return run(x)
  const rank = c.g.shape(x).length
  const inner = Array.from({ length: rank - 2 }, (_, i) => i + 1)
  const y = run(transpose(c.g, x, [0, rank - 1, ...inner]))
  return transpose(c.g, y, [0, ...inner.map((axis) => axis + 1), 1])
}

function convolved(c: UpgradeContext, x: string, w: string, bias: string): string {
  const kept = without(c, 'channels_last')
  const window = explicitWindow({ ...c, attributes: () => kept }, c.g.shape(w).slice(2), c.g.shape(x).slice(2))
  return c.g.op('Conv', [x, w, bias], window)
}

/** The bias is int32 of the scale x's times w's. */
function scaledBias(c: UpgradeContext, bias: string, ...scales: readonly string[]): string {
  if (bias === '') return ''
  return scales.reduce((value, scale) => c.g.op('Mul', [value, scale]), toFloat(c, bias))
}

const vector = (c: UpgradeContext, scale: string): string => reshape(c.g, scale, [sizeOf(c.g.shape(scale))])

function linearConv(c: UpgradeContext): readonly string[] {
  const w = real(c, 3, 0)
  const bias = scaledBias(c, input(c, 8), vector(c, input(c, 1)), vector(c, input(c, 4)))
  const y = channelsFirst(c, real(c, 0), (first) => convolved(c, first, w, bias))
  return rounded(c, y, input(c, 6), input(c, 7))
}

function linearMatMul(c: UpgradeContext): readonly string[] {
  return rounded(c, c.g.op('MatMul', [real(c, 0, -2), real(c, 3, -1)]), input(c, 6), input(c, 7))
}

const integerMatMul = (c: UpgradeContext): readonly string[] => [
  c.g.op('MatMul', [centred(c, input(c, 0), input(c, 2), -2), centred(c, input(c, 1), input(c, 3), -1)]),
]

const integerConv = (c: UpgradeContext): readonly string[] => [
  convolved(c, centred(c, input(c, 0), input(c, 2), 0), centred(c, input(c, 1), input(c, 3), 0), ''),
]

const plus = (c: UpgradeContext, y: string, bias: string) => (bias === '' ? y : c.g.op('Add', [y, bias]))

/** a b + bias, given out as float. */
function integerMatMulToFloat(c: UpgradeContext): readonly string[] {
  const a = realOf(c, input(c, 0), input(c, 2), input(c, 4), -2)
  const b = realOf(c, input(c, 1), input(c, 3), input(c, 5), -1)
  return [plus(c, c.g.op('MatMul', [a, b]), input(c, 6))]
}

/** a is rounded to the integers of its own range first. */
function dynamicMatMul(c: UpgradeContext): readonly string[] {
  const { g } = c
  const [whole, scale, zero] = g.multi('DynamicQuantizeLinear', [input(c, 0)], {}, 3) as [string, string, string]
  const a = g.op('Mul', [centred(c, whole, zero, 0), scale])
  const b = realOf(c, input(c, 1), input(c, 2), input(c, 3), -1)
  return [plus(c, g.op('MatMul', [a, b]), input(c, 4))]
}

/** alpha A' B' + C, with C int32 of the scale alpha times A's times B's; float where no scale is given for it. */
function quantizedGemm(c: UpgradeContext): readonly string[] {
  const { g } = c
  const alpha = floatAttribute(c.node, 'alpha', 1)
  const turned = (name: string) => intAttribute(c.node, name, 0) === 1
  const a = real(c, 0, turned('transA') ? 1 : 0)
  const b = real(c, 3, turned('transB') ? 0 : 1)
  const bias = scaledBias(c, input(c, 6), vector(c, input(c, 1)), vector(c, input(c, 4)), g.float(alpha))
  const y = g.op('Gemm', [a, b, bias], {
    alpha: attr.float(alpha),
    transA: attr.int(turned('transA') ? 1 : 0),
    transB: attr.int(turned('transB') ? 1 : 0),
  })
  return input(c, 7) === '' ? [y] : rounded(c, y, input(c, 7), input(c, 8))
}

/** An operator of one value. */
const unary =
  (run: (c: UpgradeContext, x: string) => string) =>
  (c: UpgradeContext): readonly string[] =>
    rounded(c, run(c, real(c, 0)), input(c, 3), input(c, 4))

/** An operator of two values. */
const binary =
  (opType: string) =>
  (c: UpgradeContext): readonly string[] =>
    rounded(c, c.g.op(opType, [real(c, 0), real(c, 3)]), input(c, 6), input(c, 7))

function averaged(c: UpgradeContext, x: string): string {
  return channelsFirst(c, x, (first) => {
    const kept = without(c, 'channels_last')
    const kernel = intsAttribute(c.node, 'kernel_shape') ?? []
    const window = explicitWindow({ ...c, attributes: () => kept }, kernel, c.g.shape(first).slice(2), false)
    return c.g.op('AveragePool', [first], window)
  })
}

/** Before opset 13 the axis began a flattened rest. */
function softmax(c: UpgradeContext, x: string): string {
  const { g } = c
  const shape = g.shape(x)
  const given = intAttribute(c.node, 'axis', -1)
  if (intAttribute(c.node, 'opset', 13) >= 13) return g.op('Softmax', [x], { axis: attr.int(given) })
  const axis = given < 0 ? given + shape.length : given
  const flat = reshape(g, x, [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis))])
  return reshape(g, g.op('Softmax', [flat], { axis: attr.int(-1) }), shape)
}

function meanOver(c: UpgradeContext, x: string): string {
  const axes = intsAttribute(c.node, 'axes') ?? c.g.shape(x).map((_, i) => i)
  const keepdims = attr.int(intAttribute(c.node, 'keepdims', 1))
  return c.g.op('ReduceMean', [x, c.g.ints(axes)], { keepdims })
}

function concatenated(c: UpgradeContext): readonly string[] {
  const parts: string[] = []
  for (let i = 2; i < c.inputs.length; i += 3) parts.push(real(c, i))
  const y = c.g.op('Concat', parts, { axis: attr.int(intAttribute(c.node, 'axis', 0)) })
  return rounded(c, y, input(c, 0), input(c, 1))
}

function chosen(c: UpgradeContext): readonly string[] {
  return rounded(c, c.g.op('Where', [input(c, 0), real(c, 1), real(c, 4)]), input(c, 7), input(c, 8))
}

export const quantizedOperators = {
  DynamicQuantizeLinear: {
    infer: (c) => [
      { type: 'uint8', shape: c.shape(0) },
      { type: 'float32', shape: [] },
      { type: 'uint8', shape: [] },
    ],
    gradient: none('rounding to integers; the product behind it takes the gradient straight through'),
  },
  QLinearConv: expanded('Conv between DequantizeLinear and rounding', linearConv),
  QLinearMatMul: expanded('MatMul between DequantizeLinear and rounding', linearMatMul),
  ConvInteger: expanded('Sub and Conv', integerConv),
  MatMulInteger: expanded('Sub and MatMul', integerMatMul),
} as const satisfies Record<string, Operator>

export const microsoftQuantizedOperators = {
  QLinearConv: quantizedOperators.QLinearConv,
  QLinearAdd: expanded('Add between DequantizeLinear and rounding', binary('Add')),
  QLinearMul: expanded('Mul between DequantizeLinear and rounding', binary('Mul')),
  QLinearAveragePool: expanded('AveragePool between DequantizeLinear and rounding', unary(averaged)),
  QLinearGlobalAveragePool: expanded(
    'GlobalAveragePool between DequantizeLinear and rounding',
    unary((c, x) => channelsFirst(c, x, (first) => c.g.op('GlobalAveragePool', [first]))),
  ),
  QLinearReduceMean: expanded('ReduceMean between DequantizeLinear and rounding', unary(meanOver)),
  QLinearLeakyRelu: expanded(
    'LeakyRelu between DequantizeLinear and rounding',
    unary((c, x) => c.g.op('LeakyRelu', [x], { alpha: attr.float(floatAttribute(c.node, 'alpha', 0.01)) })),
  ),
  QLinearSigmoid: expanded(
    'Sigmoid between DequantizeLinear and rounding',
    unary((c, x) => c.g.op('Sigmoid', [x])),
  ),
  QLinearSoftmax: expanded('Softmax between DequantizeLinear and rounding', unary(softmax)),
  QLinearConcat: expanded('Concat between DequantizeLinear and rounding', concatenated),
  QLinearWhere: expanded('Where between DequantizeLinear and rounding', chosen),
  QGemm: expanded('Gemm between DequantizeLinear and rounding', quantizedGemm),
  MatMulIntegerToFloat: expanded('DequantizeLinear and MatMul', integerMatMulToFloat),
  DynamicQuantizeMatMul: expanded('rounding, DequantizeLinear and MatMul', dynamicMatMul),
} as const satisfies Record<string, Operator>
