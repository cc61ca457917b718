/**
 * Quantised numbers, y = (x - zero point) * scale: one scale for all, one for each index of an axis, or one for each block
 * along it. Pairs of QuantizeLinear and DequantizeLinear round; the gradient passes straight through them where the number
 * is in range, and is zero where it saturates (Bengio et al. 2013, as torch.fake_quantize has it).
 */
import { attr, intAttribute, type Node, type StaticType } from '../graph/graph.js'
import { ELEMENT_TYPES, type ElementType, elementTypeOf, float32, RANGES, toNumbers } from '../graph/tensor.js'
import { pad, reshape, slice } from './emit.js'
import {
  type Emitter,
  type GradientContext,
  type InferContext,
  isFloat,
  none,
  normaliseAxis,
  type Operator,
  rule,
  type UpgradeContext,
} from './operator.js'

function typeAttribute(node: Node): ElementType | undefined {
  const type = elementTypeOf(intAttribute(node, 'output_dtype', ELEMENT_TYPES.undefined))
  return type === 'undefined' ? undefined : type
}

/** How scales lie along a tensor of the shape. Undefined where there is one for all. */
interface Layout {
  readonly axis: number
  /** Elements along the axis that share a scale. */
  readonly block: number
}

function layoutOf(
  node: Node,
  shape: readonly number[],
  scale: readonly number[],
  fail: (message: string) => never,
): Layout | undefined {
  const block = intAttribute(node, 'block_size', 0)
  if (block === 0 && (scale.length === 0 || (scale.length === 1 && scale[0] === 1))) return undefined
  const axis = normaliseAxis(intAttribute(node, 'axis', 1), shape.length, fail)
  const expected = block === 0 ? [shape[axis]] : shape.map((d, i) => (i === axis ? Math.ceil(d / block) : d))
  if (scale.length !== expected.length || scale.some((d, i) => d !== expected[i]))
    fail(`has scales of shape (${scale}) for (${shape}), expected (${expected})`)
  return { axis, block: Math.max(block, 1) }
}

/** Scales or zero points, one for each element along the axis, so that they broadcast against a tensor of the shape. */
function spreadOut(g: Emitter, value: string, shape: readonly number[], layout: Layout | undefined): string {
  if (layout === undefined) return value
  const { axis, block } = layout
  if (g.shape(value).length === 1 && shape.length !== 1)
    return reshape(
      g,
      value,
      shape.map((d, i) => (i === axis ? d : 1)),
    )
  if (block === 1) return value
  const blocks = g.shape(value)
  const at = (last: number) => [...blocks.slice(0, axis + 1), last, ...blocks.slice(axis + 1)]
  const repeated = g.op('Expand', [reshape(g, value, at(1)), g.ints(at(block))])
  const joined = reshape(
    g,
    repeated,
    blocks.map((d, i) => (i === axis ? d * block : d)),
  )
  return slice(g, joined, axis, 0, shape[axis] as number)
}

/** Sums over what shares a scale. */
function summedToScale(g: Emitter, value: string, scale: readonly number[], layout: Layout | undefined): string {
  const shape = g.shape(value)
  const sum = (of: string, axes: readonly number[]) =>
    axes.length === 0 ? of : g.op('ReduceSum', [of, g.ints(axes)], { keepdims: attr.int(0) })
  if (layout === undefined)
    return reshape(
      g,
      sum(
        value,
        shape.map((_, i) => i),
      ),
      scale,
    )
  const { axis, block } = layout
  if (scale.length === 1 && block === 1)
    return sum(
      value,
      shape.flatMap((_, i) => (i === axis ? [] : [i])),
    )
  const none = shape.map(() => 0)
  const blocks = scale[axis] as number
  const whole = pad(
    g,
    value,
    none,
    none.map((_, i) => (i === axis ? blocks * block - (shape[axis] as number) : 0)),
  )
  return sum(reshape(g, whole, [...scale.slice(0, axis + 1), block, ...scale.slice(axis + 1)]), [axis + 1])
}

function inferQuantize(c: InferContext): readonly StaticType[] {
  const { shape } = c.type(0)
  layoutOf(c.node, shape, c.shape(1), c.fail)
  return [{ type: c.has(2) ? c.type(2).type : (typeAttribute(c.node) ?? 'uint8'), shape }]
}

function inferDequantize(c: InferContext): readonly StaticType[] {
  const { shape } = c.type(0)
  layoutOf(c.node, shape, c.shape(1), c.fail)
  return [{ type: 'float32', shape }]
}

/** dL/d scale = sum of dL/dy (x - zero point) over what shares the scale. */
function dequantizeRule(c: GradientContext): readonly (string | undefined)[] {
  const { g, node } = c
  if (!c.needs(1)) return []
  const shape = c.shape(c.input(0))
  const scale = c.shape(c.input(1))
  const layout = layoutOf(node, shape, scale, (message) => c.refuse(message))
  const toFloat = { to: attr.int(ELEMENT_TYPES.float32) }
  let centred = g.op('Cast', [c.input(0)], toFloat)
  if (c.has(2)) centred = g.op('Sub', [centred, spreadOut(g, g.op('Cast', [c.input(2)], toFloat), shape, layout)])
  return [undefined, summedToScale(g, g.op('Mul', [c.grad(), centred]), scale, layout)]
}

/** What says nothing to the newest form, or is meant for another precision, is dropped. */
function canonicalAttributes(c: UpgradeContext) {
  const { saturate: _, precision: __, output_dtype: type, ...kept } = c.attributes()
  // With a zero point its type says it; behind a DequantizeLinear everything is float32.
  const keep = type !== undefined && c.node.opType === 'QuantizeLinear' && (c.inputs[2] ?? '') === ''
  return keep ? { ...kept, output_dtype: type } : kept
}

function upgradeQuantize(c: UpgradeContext): readonly string[] {
  const zero = c.inputs[2] ?? ''
  const type = zero === '' ? (typeAttribute(c.node) ?? 'uint8') : c.g.typeOf(zero).type
  if (RANGES[type] === undefined)
    return c.refuse('rounds to a floating-point type of 8 bits or fewer, which is not read')
  return [c.g.op('QuantizeLinear', c.inputs, canonicalAttributes(c))]
}

function upgradeDequantize(c: UpgradeContext): readonly string[] {
  const { g } = c
  const [x = '', scale = '', zero = ''] = c.inputs
  const shape = g.shape(x)
  const fail = (message: string): never => c.refuse(message)
  // Numbers of 8-bit floating-point types have been read as float32, with a zero point that is zero; what quantised
  // operators give is held as float32 too.
  if (g.typeOf(x).type === 'float32') {
    const layout = layoutOf(c.node, shape, g.shape(scale), fail)
    const whole = zero === '' || isFloat(g.typeOf(zero).type) ? '' : g.op('Cast', [zero], { to: attr.int(1) })
    const centred = whole === '' ? x : g.op('Sub', [x, spreadOut(g, whole, shape, layout)])
    return [g.op('Mul', [centred, spreadOut(g, scale, shape, layout)])]
  }
  const y = g.op('DequantizeLinear', [x, scale, zero], canonicalAttributes(c))
  const before = g.producerOf(x)
  if (before?.opType !== 'QuantizeLinear') return [y]
  return [g.op('Add', [y, straightThrough(c, before)])]
}

/** What DequantizeLinear gives of a value, a scale and a zero point ('' for none), for operators that hold one. */
export function dequantized(c: UpgradeContext, inputs: readonly string[], axis: number): string {
  const attributes = { axis: attr.int(axis) }
  const node = { ...c.node, opType: 'DequantizeLinear', domain: '', attributes: new Map(Object.entries(attributes)) }
  return upgradeDequantize({ ...c, node, inputs, attributes: () => attributes })[0] as string
}

/** Zero, with the gradient that passes through rounding: 1 where the rounded number is in range. */
function straightThrough(c: UpgradeContext, quantize: Node): string {
  const { g } = c
  const [x, scale, zero = ''] = quantize.inputs as [string, string, string?]
  const shape = g.shape(x)
  const [scales, zeros] = [g.valueOf(scale), zero === '' ? undefined : g.valueOf(zero)]
  const [lowest, highest] = RANGES[g.typeOf(quantize.outputs[0] as string).type] as readonly [number, number]
  if (!scales || (zero !== '' && !zeros)) return c.refuse('has a scale or zero point that is computed while running')
  const points = zeros ? toNumbers(zeros) : []
  const layout = layoutOf(quantize, shape, scales.dims, (message) => c.refuse(message))
  const end = (limit: number) =>
    spreadOut(
      g,
      g.constant(
        float32(
          scales.dims,
          toNumbers(scales).map((s, i) => (limit - (points[i] ?? points[0] ?? 0)) * s),
        ),
      ),
      shape,
      layout,
    )
  // The numbers half a step beyond the ends still round to them.
  const inside = g.op('Min', [g.op('Max', [x, end(lowest - 0.5)]), end(highest + 0.5)])
  return g.op('Sub', [inside, g.detached(inside)])
}

const QuantizeLinear: Operator = {
  infer: inferQuantize,
  gradient: none('rounding to integers; the DequantizeLinear behind it takes the gradient straight through'),
  upgrade: upgradeQuantize,
}

const DequantizeLinear: Operator = {
  infer: inferDequantize,
  gradient: rule(dequantizeRule),
  upgrade: upgradeDequantize,
}

export const quantizations = { QuantizeLinear, DequantizeLinear } as const satisfies Record<string, Operator>

/** onnxruntime's own, for types that the standard's did not have at the time: the same arithmetic. */
export const microsoftQuantizations = quantizations
