/** Moving elements in gradient rules: each appends the fewest nodes, none where nothing moves. */
import { attr } from '../graph/graph.js'
import type { Emitter } from './operator.js'

export function reshape(g: Emitter, value: string, shape: readonly number[]): string {
  const from = g.shape(value)
  if (from.length === shape.length && from.every((d, i) => d === shape[i])) return value
  return g.op('Reshape', [value, g.ints(shape)], { allowzero: attr.int(1) })
}

export function transpose(g: Emitter, value: string, perm: readonly number[]): string {
  if (perm.every((p, i) => p === i)) return value
  const shape = g.shape(value)
  // Where only axes of size 1 move, no element does.
  const moving = perm.filter((p) => shape[p] !== 1)
  if (moving.every((p, i) => i === 0 || p > (moving[i - 1] as number)))
    return reshape(
      g,
      value,
      perm.map((p) => shape[p] as number),
    )
  return g.op('Transpose', [value], { perm: attr.ints(perm) })
}

/** value[..., from:to:step, ...] along the axis. */
export function slice(g: Emitter, value: string, axis: number, from: number, to: number, step = 1): string {
  if (step === 1 && from === 0 && to === g.shape(value)[axis]) return value
  return g.op('Slice', [value, g.ints([from]), g.ints([to]), g.ints([axis]), g.ints([step])])
}

/** Zero padding (negative: cropping) by `before` and `after` for each axis. */
export function pad(g: Emitter, value: string, before: readonly number[], after: readonly number[]): string {
  if (before.every((p) => p === 0) && after.every((p) => p === 0)) return value
  return g.op('Pad', [value, g.ints([...before, ...after])], { mode: attr.string('constant') })
}

export function reverse(g: Emitter, value: string, axis: number): string {
  const d = g.shape(value)[axis] as number
  if (d <= 1) return value
  return g.op('Slice', [value, g.ints([-1]), g.ints([-d - 1]), g.ints([axis]), g.ints([-1])])
}

/** Puts stride - 1 zeros between neighbours: (n) -> ((n - 1) stride + 1). */
export function spread(g: Emitter, value: string, axis: number, stride: number): string {
  const shape = g.shape(value)
  const n = shape[axis] as number
  if (n <= 1 || stride === 1) return value
  const split = reshape(g, value, [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)])
  const zeros = new Array<number>(shape.length + 1).fill(0)
  const padded = pad(
    g,
    split,
    zeros,
    zeros.map((z, i) => (i === axis + 1 ? stride - 1 : z)),
  )
  const joined = reshape(
    g,
    padded,
    shape.map((d, i) => (i === axis ? d * stride : d)),
  )
  return slice(g, joined, axis, 0, (n - 1) * stride + 1)
}
