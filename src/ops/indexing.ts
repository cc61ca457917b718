/** Operators that read whole slices along an axis: Slice and Gather. */
import { intAttribute, intsAttribute, type StaticType } from '../graph/graph.js'
import { sizeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import { addAt, axisStarts } from './accumulate.js'
import { pad, reshape, reverse, spread } from './emit.js'
import { gatherFold, impossible, result, strides } from './fold.js'
import {
  type Emitter,
  type GradientContext,
  type InferContext,
  normaliseAxis,
  type Operator,
  rule,
} from './operator.js'

interface Cut {
  readonly axis: number
  readonly start: number
  readonly step: number
  readonly count: number
}

/** The cut that a Slice makes along each of its axes, with NumPy's clamping. */
function cuts(
  c: InferContext | { numbers(i: number): readonly number[]; has(i: number): boolean; fail(m: string): never },
  shape: readonly number[],
): Cut[] {
  const starts = c.numbers(1)
  const ends = c.numbers(2)
  const axes = c.has(3) ? c.numbers(3) : starts.map((_, i) => i)
  const steps = c.has(4) ? c.numbers(4) : starts.map(() => 1)
  return axes.map((given, i) => {
    const axis = normaliseAxis(given, shape.length, c.fail)
    const d = shape[axis] as number
    const step = steps[i] as number
    if (step === 0) c.fail('has a step of 0')
    const clamp = (v: number, low: number, high: number) => Math.min(Math.max(v < 0 ? v + d : v, low), high)
    const start = step > 0 ? clamp(starts[i] as number, 0, d) : clamp(starts[i] as number, 0, d - 1)
    const end = step > 0 ? clamp(ends[i] as number, 0, d) : clamp(ends[i] as number, -1, d - 1)
    return { axis, start, step, count: Math.max(0, Math.ceil((end - start) / step)) }
  })
}

function inferSlice(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const out = [...shape]
  for (const cut of cuts(c, shape)) out[cut.axis] = cut.count
  return [{ type, shape: out }]
}

/** A tensor of the shape, zero but where the cuts were taken: there it is `value`. */
function uncut(g: Emitter, value: string, shape: readonly number[], made: readonly Cut[]): string {
  const before = shape.map(() => 0)
  const after = shape.map(() => 0)
  let back = value
  for (const cut of made) {
    const stride = Math.abs(cut.step)
    if (cut.step < 0) back = reverse(g, back, cut.axis)
    if (stride > 1) back = spread(g, back, cut.axis, stride)
    const lowest = cut.step > 0 ? cut.start : cut.start + cut.step * (cut.count - 1)
    const length = g.shape(back)[cut.axis] as number
    before[cut.axis] = cut.count === 0 ? 0 : lowest
    after[cut.axis] = (shape[cut.axis] as number) - (before[cut.axis] as number) - length
  }
  return pad(g, back, before, after)
}

function sliceRule(c: GradientContext): readonly (string | undefined)[] {
  const shape = c.shape(c.input(0))
  const numbers = (i: number) => toNumbers(c.g.valueOf(c.input(i)) as Tensor)
  return [uncut(c.g, c.grad(), shape, cuts({ numbers, has: c.has, fail: c.refuse }, shape))]
}

function inferGather(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const axis = normaliseAxis(intAttribute(c.node, 'axis', 0), shape.length, c.fail)
  return [{ type, shape: [...shape.slice(0, axis), ...c.shape(1), ...shape.slice(axis + 1)] }]
}

/** The cut that constant indices make, where they rise or fall evenly and so read no row twice. */
function evenCut(axis: number, size: number, indices: Tensor | undefined): Cut | undefined {
  if (!indices || indices.data.length === 0) return undefined
  const at = toNumbers(indices).map((v) => (v < 0 ? v + size : v))
  const start = at[0] as number
  const step = at.length > 1 ? (at[1] as number) - start : 1
  const even = step !== 0 && at.every((v, i) => v === start + i * step)
  return even ? { axis, start, step, count: at.length } : undefined
}

/** Adds each slice's gradient to the slice it was read from. */
function gatherRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const shape = c.shape(c.input(0))
  const axis = normaliseAxis(intAttribute(c.node, 'axis', 0), shape.length, c.refuse)
  const d = shape[axis] as number
  const indices = c.input(1)
  const count = sizeOf(c.shape(indices))
  const cut = evenCut(axis, d, g.valueOf(indices))
  if (cut) {
    const taken = shape.map((size, i) => (i === axis ? count : size))
    return [uncut(g, reshape(g, c.grad(), taken), shape, [cut]), undefined]
  }
  const inner = sizeOf(shape.slice(axis + 1))
  return [addAt(g, shape, axisStarts(g, indices, shape, axis), inner, c.grad()), undefined]
}

export const indexing = {
  Slice: {
    infer: inferSlice,
    upgrade: (c) => {
      if (c.opset >= 10) return c.emit(c.inputs, {})
      const read = (name: string) => intsAttribute(c.node, name)
      const [starts, ends, axes] = [read('starts') ?? [], read('ends') ?? [], read('axes')]
      const inputs = [c.inputs[0] as string, c.g.ints(starts), c.g.ints(ends), ...(axes ? [c.g.ints(axes)] : [])]
      return c.emit(inputs, {})
    },
    fold: (inputs, _node, [type]) => {
      const [source] = inputs as readonly Tensor[]
      const read = {
        numbers: (i: number) => toNumbers(inputs[i] as Tensor),
        has: (i: number) => inputs[i] !== undefined,
        fail: impossible,
      }
      const made = cuts(read, (source as Tensor).dims)
      const steps = strides((source as Tensor).dims)
      return gatherFold(type as StaticType, source as Tensor, (index) =>
        index.reduce((sum, at, axis) => {
          const cut = made.find((m) => m.axis === axis)
          return sum + (cut ? cut.start + at * cut.step : at) * (steps[axis] as number)
        }, 0),
      )
    },
    gradient: rule(sliceRule),
  },
  Gather: {
    infer: inferGather,
    fold: ([x, at], node, [type]) => {
      const source = x as Tensor
      const axis = normaliseAxis(intAttribute(node, 'axis', 0), source.dims.length, impossible)
      const positions = toNumbers(at as Tensor)
      const inner = sizeOf(source.dims.slice(axis + 1))
      const d = source.dims[axis] as number
      const values = toNumbers(source)
      const out: number[] = []
      for (let o = 0; o < sizeOf(source.dims.slice(0, axis)); o++)
        for (const p of positions) {
          const from = (o * d + (p < 0 ? p + d : p)) * inner
          out.push(...values.slice(from, from + inner))
        }
      return result(type, out)
    },
    gradient: rule(gatherRule),
  },
} as const satisfies Record<string, Operator>
