/**
 * Resize and its ancestor Upsample. A Resize treats each axis by itself, so its gradient is a product with each axis's matrix
 * of weights, transposed; where whole blocks of the output copy one element, it is a sum over the blocks.
 */
import {
  attr,
  floatAttribute,
  intAttribute,
  intsAttribute,
  type Node,
  type StaticType,
  stringAttribute,
} from '../graph/graph.js'
import { float32, sizeOf, toNumbers } from '../graph/tensor.js'
import { reshape } from './emit.js'
import {
  type Emitter,
  expanded,
  type GradientContext,
  type InferContext,
  normaliseAxis,
  type Operator,
  rule,
  type UpgradeContext,
} from './operator.js'
import { type ResizeAxis, type ResizeSettings, resizeWeights, type Weights } from './resizeWeights.js'

interface Reader {
  numbers(i: number): readonly number[]
  has(i: number): boolean
  fail(message: string): never
}

/** Each axis's sizes and scale, from `scales` or `sizes`. */
function axesOf(c: Reader, node: Node, shape: readonly number[]): ResizeAxis[] {
  const axes = intsAttribute(node, 'axes')?.map((a) => normaliseAxis(a, shape.length, c.fail)) ?? shape.map((_, i) => i)
  const scales = c.has(2) ? c.numbers(2) : []
  const sizes = c.has(3) && scales.length === 0 ? c.numbers(3) : []
  const region =
    stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize' && c.has(1)
      ? c.numbers(1)
      : []
  const given = scales.length > 0 ? scales : sizes
  if (given.length !== axes.length) c.fail(`has ${given.length} scales or sizes for ${axes.length} axes`)
  const found: ResizeAxis[] = shape.map((size) => ({ size, out: size, scale: 1, region: [0, 1] }))
  const shared = sharedScale(
    node,
    axes.map((axis) => shape[axis] as number),
    sizes,
  )
  axes.forEach((axis, i) => {
    const size = shape[axis] as number
    const scale = scales[i] ?? shared ?? (size === 0 ? 1 : Math.fround((sizes[i] as number) / size))
    const exact = Math.fround(scale * size)
    const out = scales.length > 0 ? Math.floor(exact) : shared === undefined ? (sizes[i] as number) : Math.round(exact)
    found[axis] = { size, out, scale, region: [region[i] ?? 0, region[i + axes.length] ?? 1] }
  })
  return found
}

/** The scale that all axes have where sizes are bounds and the aspect ratio is kept. */
function sharedScale(node: Node, shape: readonly number[], sizes: readonly number[]): number | undefined {
  const policy = stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch')
  if (policy === 'stretch' || sizes.length === 0) return undefined
  const each = sizes.map((size, i) => Math.fround(size / (shape[i] as number)))
  return policy === 'not_larger' ? Math.min(...each) : Math.max(...each)
}

const settingsOf = (node: Node): ResizeSettings => ({
  mode: stringAttribute(node, 'mode', 'nearest'),
  coordinates: stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel'),
  nearest: stringAttribute(node, 'nearest_mode', 'round_prefer_floor'),
  cubicCoefficient: floatAttribute(node, 'cubic_coeff_a', -0.75),
  excludeOutside: intAttribute(node, 'exclude_outside', 0) === 1,
  antialias: intAttribute(node, 'antialias', 0) === 1,
})

function inferResize(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  return [{ type, shape: axesOf(c, c.node, shape).map((axis) => axis.out) }]
}

/** Whether output position o copies input position floor(o / (out / size)): whole blocks of equal length. */
function copiesBlocks({ size, out }: ResizeAxis, rows: readonly Weights[]): boolean {
  const block = out / size
  return Number.isInteger(block) && rows.every((row, o) => row.get(Math.floor(o / block)) === 1 && row.size === 1)
}

/** The gradient along an axis: the weights' matrix (out, size), transposed, times that of the output. */
function backAlong(g: Emitter, value: string, at: number, { size, out }: ResizeAxis, rows: readonly Weights[]): string {
  const shape = g.shape(value)
  const [outer, inner] = [sizeOf(shape.slice(0, at)), sizeOf(shape.slice(at + 1))]
  const matrix = new Float32Array(out * size)
  const last = inner === 1
  rows.forEach((row, o) => {
    for (const [i, weight] of row) matrix[last ? o * size + i : i * out + o] = weight
  })
  const product = last
    ? g.op('MatMul', [reshape(g, value, [outer, out]), g.constant(float32([out, size], matrix))])
    : g.op('MatMul', [g.constant(float32([size, out], matrix)), reshape(g, value, [outer, out, inner])])
  return reshape(
    g,
    product,
    shape.map((d, i) => (i === at ? size : d)),
  )
}

/** Sums over the copies of each element, for all axes at once. */
function sumBlocks(g: Emitter, value: string, axes: ReadonlyMap<number, ResizeAxis>): string {
  const shape = g.shape(value)
  const split: number[] = []
  const copies: number[] = []
  shape.forEach((d, at) => {
    const axis = axes.get(at)
    split.push(axis ? axis.size : d)
    if (!axis) return
    copies.push(split.length)
    split.push(axis.out / axis.size)
  })
  const sum = g.op('ReduceSum', [reshape(g, value, split), g.ints(copies)], { keepdims: attr.int(0) })
  return reshape(
    g,
    sum,
    shape.map((d, at) => axes.get(at)?.size ?? d),
  )
}

function resizeRule(c: GradientContext): readonly (string | undefined)[] {
  const known = (i: number) =>
    toNumbers(
      c.g.valueOf(c.input(i)) ?? c.refuse('its region, scales or sizes are computed from the data while running'),
    )
  const shape = c.shape(c.input(0))
  const settings = settingsOf(c.node)
  const axes = axesOf({ numbers: known, has: c.has, fail: c.refuse }, c.node, shape)
  // onnxruntime copies what keeps its shape, whatever the scales say.
  if (settings.coordinates !== 'tf_crop_and_resize' && axes.every(({ size, out }) => size === out)) return [c.grad()]
  const blocks = new Map<number, ResizeAxis>()
  const others: { at: number; axis: ResizeAxis; rows: readonly Weights[] }[] = []
  axes.forEach((axis, at) => {
    if (axis.scale === 1) return
    const rows = resizeWeights(axis, settings)
    if (copiesBlocks(axis, rows)) blocks.set(at, axis)
    else others.push({ at, axis, rows })
  })
  let value = blocks.size > 0 ? sumBlocks(c.g, c.grad(), blocks) : c.grad()
  // What shrinks most comes first, so that less is left for the others.
  others.sort((a, b) => a.axis.size / a.axis.out - b.axis.size / b.axis.out)
  for (const { at, axis, rows } of others) value = backAlong(c.g, value, at, axis, rows)
  return [value]
}

/** A value that is not a weight although it is a float: written as a constant, whatever holds it in the file. */
const asConstant = (c: UpgradeContext, value: string | undefined): string => {
  const known = value === undefined || value === '' ? undefined : c.g.valueOf(value)
  return known ? c.g.constant(known) : (value ?? '')
}

/** The form before opset 11: asymmetric, and nearest rounds down where it enlarges and up where it shrinks. */
function upgradeSimple(c: UpgradeContext, scales: readonly number[]): readonly string[] {
  const mode = stringAttribute(c.node, 'mode', 'nearest')
  const asymmetric = { mode: attr.string(mode), coordinate_transformation_mode: attr.string('asymmetric') }
  const resize = (nearest: string) => ({ ...asymmetric, nearest_mode: attr.string(nearest) })
  const only = (chosen: (scale: number) => boolean) =>
    c.g.constant(
      float32(
        [scales.length],
        scales.map((s) => (chosen(s) ? s : 1)),
      ),
    )
  const all = c.g.constant(float32([scales.length], [...scales]))
  const [x] = c.inputs as readonly [string]
  const shrinks = (s: number) => s < 1
  if (mode !== 'nearest' || !scales.some(shrinks)) return c.emit([x, '', all], resize('floor'), 'Resize')
  if (scales.every((s) => s <= 1)) return c.emit([x, '', all], resize('ceil'), 'Resize')
  const smaller = c.g.op('Resize', [x, '', only(shrinks)], resize('ceil'))
  return c.emit([smaller, '', only((s) => !shrinks(s))], resize('floor'), 'Resize')
}

function scalesOf(c: UpgradeContext): readonly number[] {
  const given = c.node.attributes.get('scales')
  if (given?.kind === 'floats') return given.value.map(Math.fround)
  const known = c.g.valueOf(c.inputs[1] ?? '')
  return known ? toNumbers(known) : c.refuse('takes scales that are computed from the data while running')
}

export const resizes = {
  Resize: {
    infer: inferResize,
    upgrade: (c) => {
      if (c.opset < 11) return upgradeSimple(c, scalesOf(c))
      const [x, region, scales, ...rest] = c.inputs as readonly [string, ...string[]]
      return c.emit([x, asConstant(c, region), asConstant(c, scales), ...rest], c.attributes())
    },
    gradient: rule(resizeRule),
  },
  Upsample: expanded('Resize', (c) => upgradeSimple(c, scalesOf(c))),
} as const satisfies Record<string, Operator>
