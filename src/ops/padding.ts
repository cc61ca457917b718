/**
 * Pad and CenterCropPad. The modes that repeat the input (reflect, edge, wrap) are undone by adding each piece of the output
 * to the piece of the input that it repeats.
 */
import { attr, intsAttribute, type StaticType, stringAttribute } from '../graph/graph.js'
import { type Tensor, toNumbers } from '../graph/tensor.js'
import { pad, reshape, reverse, slice } from './emit.js'
import { gatherFold, impossible, NotFoldable, strides } from './fold.js'
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

interface Amounts {
  readonly before: readonly number[]
  readonly after: readonly number[]
}

function padAmounts(
  pads: readonly number[],
  axes: readonly number[] | undefined,
  rank: number,
  fail: (m: string) => never,
): Amounts {
  const before = new Array<number>(rank).fill(0)
  const after = new Array<number>(rank).fill(0)
  const where = axes?.map((a) => normaliseAxis(a, rank, fail)) ?? before.map((_, i) => i)
  if (pads.length !== 2 * where.length) fail(`has ${pads.length} pads for ${where.length} axes; two each are needed`)
  where.forEach((axis, i) => {
    before[axis] = pads[i] as number
    after[axis] = pads[i + where.length] as number
  })
  return { before, after }
}

function inferPad(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const { before, after } = padAmounts(c.numbers(1), c.has(3) ? c.numbers(3) : undefined, shape.length, c.fail)
  const out = shape.map((d, i) => d + (before[i] as number) + (after[i] as number))
  if (out.some((d) => d < 0)) return c.fail(`crops more than there is of shape (${shape})`)
  const mode = stringAttribute(c.node, 'mode', 'constant')
  const left = shape.map((d, i) => d + Math.min(0, before[i] as number) + Math.min(0, after[i] as number))
  if (mode !== 'constant' && left.some((d) => d <= 0)) return c.fail(`leaves nothing of shape (${shape}) to repeat`)
  if (mode === 'wrap' && left.some((d, i) => (before[i] as number) > d))
    return c.fail(
      `wraps shape (${shape}) more than once around before an axis, which onnxruntime computes wrongly`,
      'Pad several times, by no more than the size.',
    )
  return [{ type, shape: out }]
}

function amountsOf(c: GradientContext): Amounts {
  const numbers = (i: number) => toNumbers(c.g.valueOf(c.input(i)) as Tensor)
  return padAmounts(numbers(1), c.has(3) ? numbers(3) : undefined, c.shape(c.input(0)).length, c.refuse)
}

const minus = (values: readonly number[]) => values.map((v) => -v)

/** The position in an axis of size d that a position before or behind it repeats. */
function repeated(mode: string, at: number, d: number): number {
  if (mode === 'edge') return Math.min(Math.max(at, 0), d - 1)
  if (mode === 'wrap') return ((at % d) + d) % d
  const period = Math.max(1, 2 * (d - 1))
  const within = ((at % period) + period) % period
  return within < d ? within : period - within
}

/** Cropping comes first, so what is repeated is what is left: the input position of each output position of an axis. */
function sourcesAlong(mode: string, d: number, before: number, after: number): number[] {
  const from = Math.max(0, -before)
  const left = d - from - Math.max(0, -after)
  return Array.from({ length: d + before + after }, (_, i) => from + repeated(mode, i - Math.max(0, before), left))
}

interface Run {
  readonly from: number
  readonly to: number
  readonly first: number
  readonly step: number
}

/** Positions in runs that rise by one, fall by one or stay. */
function runs(positions: readonly number[]): Run[] {
  const found: Run[] = []
  for (let from = 0; from < positions.length; ) {
    const first = positions[from] as number
    const step = (positions[from + 1] ?? first + 1) - first
    let to = from + 1
    if (Math.abs(step) <= 1) while (to < positions.length && positions[to] === first + (to - from) * step) to++
    found.push({ from, to, first, step })
    from = to
  }
  return found
}

/** Adds each position's gradient along the axis to that of the input position it repeats. */
function foldBack(g: Emitter, value: string, axis: number, d: number, positions: readonly number[]): string {
  const along = (at: number) => g.shape(value).map((_, i) => (i === axis ? at : 0))
  const parts = runs(positions).map(({ from, to, first, step }) => {
    let part = slice(g, value, axis, from, to)
    const count = to - from
    if (step === 0 && count > 1) part = g.op('ReduceSum', [part, g.ints([axis])], { keepdims: attr.int(1) })
    if (step === -1) part = reverse(g, part, axis)
    const lowest = step === -1 ? first - (count - 1) : first
    const size = g.shape(part)[axis] as number
    return pad(g, part, along(lowest), along(d - lowest - size))
  })
  return parts.reduce((sum, part) => g.op('Add', [sum, part]))
}

function padRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const shape = c.shape(c.input(0))
  const mode = stringAttribute(c.node, 'mode', 'constant')
  const { before, after } = amountsOf(c)
  if (mode === 'constant')
    return [
      c.needs(0) ? pad(g, c.grad(), minus(before), minus(after)) : undefined,
      undefined,
      c.has(2) && c.needs(2) ? valueGradient(c, before, after) : undefined,
    ]
  let value = c.grad()
  shape.forEach((d, axis) => {
    const [b, a] = [before[axis] as number, after[axis] as number]
    if (b !== 0 || a !== 0) value = foldBack(g, value, axis, d, sourcesAlong(mode, d, b, a))
  })
  return [value]
}

/** The sum over what the value filled. */
function valueGradient(c: GradientContext, before: readonly number[], after: readonly number[]): string {
  const { g } = c
  const inside = g.op('ConstantOfShape', [g.ints(c.shape(c.input(0)))])
  const filled = g.op('Pad', [inside, g.ints([...before, ...after]), g.float(1)], { mode: attr.string('constant') })
  const sum = g.op('ReduceSum', [g.op('Mul', [c.grad(), filled])], { keepdims: attr.int(0) })
  return reshape(g, sum, c.shape(c.input(2)))
}

const foldPad: NonNullable<Operator['fold']> = (inputs, node, [type]) => {
  const [x, pads, value, axes] = inputs as readonly (Tensor | undefined)[]
  const source = x as Tensor
  if (stringAttribute(node, 'mode', 'constant') !== 'constant') throw new NotFoldable()
  const fill = value ? (toNumbers(value)[0] as number) : 0
  const { before } = padAmounts(toNumbers(pads as Tensor), axes && toNumbers(axes), source.dims.length, impossible)
  const steps = strides(source.dims)
  const position = (index: readonly number[]) => {
    let flat = 0
    for (const [i, at] of index.entries()) {
      const from = at - (before[i] as number)
      if (from < 0 || from >= (source.dims[i] as number)) return -1
      flat += from * (steps[i] as number)
    }
    return flat
  }
  return gatherFold(type as StaticType, source, position, fill)
}

/** The centre of each axis, or the whole between equal amounts of zeros: a Pad, whose crops are negative. */
function upgradeCenter(c: UpgradeContext): readonly string[] {
  const shape = c.g.shape(c.inputs[0] as string)
  const given = c.g.valueOf(c.inputs[1] as string)
  if (!given) return c.refuse('takes a shape that is computed from the data while running')
  const wanted = toNumbers(given)
  const axes = intsAttribute(c.node, 'axes')?.map((a) => normaliseAxis(a, shape.length, c.refuse))
  const before = shape.map(() => 0)
  const after = shape.map(() => 0)
  wanted.forEach((size, i) => {
    const axis = axes?.[i] ?? i
    const more = size - (shape[axis] as number)
    // The odd one out is cropped or padded at the back.
    before[axis] = more >= 0 ? Math.floor(more / 2) : -Math.floor(-more / 2)
    after[axis] = more - (before[axis] as number)
  })
  return c.emit([c.inputs[0] as string, c.g.ints([...before, ...after])], { mode: attr.string('constant') }, 'Pad')
}

export const paddings = {
  Pad: {
    infer: inferPad,
    upgrade: (c) => {
      if (c.opset >= 11) return c.emit(c.inputs, c.attributes())
      const mode = c.node.attributes.get('mode') ?? attr.string('constant')
      const value = c.node.attributes.get('value')
      const fill = value?.kind === 'float' ? [c.g.float(value.value)] : []
      return c.emit([c.inputs[0] as string, c.g.ints(intsAttribute(c.node, 'pads') ?? []), ...fill], { mode })
    },
    fold: foldPad,
    gradient: rule(padRule),
  },
  CenterCropPad: expanded('Pad', upgradeCenter),
} as const satisfies Record<string, Operator>
