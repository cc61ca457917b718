/**
 * Writing slices to places that may repeat. onnxruntime's ScatterND adds from several threads at once and loses some of the
 * slices that go to the same place; its ScatterElements works through them in order, and fastest in one dimension.
 */
import { attr } from '../graph/graph.js'
import { int64, sizeOf } from '../graph/tensor.js'
import { reshape } from './emit.js'
import { strides } from './fold.js'
import type { Emitter } from './operator.js'

export const zerosOf = (g: Emitter, shape: readonly number[]): string => g.op('ConstantOfShape', [g.ints(shape)])

const counted = (count: number) => Array.from({ length: count }, (_, i) => i)

/**
 * Combines slices of `size` elements into a tensor; slice i begins at the flat position `starts[i]` (from the end, where
 * negative). The result has the tensor's shape.
 */
export function combineAt(
  g: Emitter,
  into: string,
  starts: string,
  size: number,
  slices: string,
  reduction: string,
): string {
  const shape = g.shape(into)
  const count = sizeOf(g.shape(starts))
  let at = starts
  if (size > 1) {
    const within = g.op(
      'Range',
      [0, size, 1].map((v) => g.constant(int64([], [v]))),
    )
    at = g.op('Add', [reshape(g, starts, [count, 1]), within])
  }
  const flat = g.op(
    'ScatterElements',
    [reshape(g, into, [sizeOf(shape)]), reshape(g, at, [count * size]), reshape(g, slices, [count * size])],
    { axis: attr.int(0), reduction: attr.string(reduction) },
  )
  return reshape(g, flat, shape)
}

/** A tensor of the shape that holds, at each place, the sum of the slices that go there; see {@link combineAt}. */
export function addAt(g: Emitter, shape: readonly number[], starts: string, size: number, slices: string): string {
  return combineAt(g, zerosOf(g, shape), starts, size, slices, 'add')
}

/** Flat positions of the slices that N-d indices (..., depth) name in a tensor of the shape, behind its batch axes. */
export function sliceStarts(g: Emitter, indices: string, shape: readonly number[], batchDims = 0): string {
  const own = g.shape(indices)
  const depth = own[own.length - 1] as number
  const batch = sizeOf(shape.slice(0, batchDims))
  const count = sizeOf(own.slice(batchDims, -1))
  const dims = shape.slice(batchDims, batchDims + depth)
  const steps = strides(shape).slice(batchDims, batchDims + depth)
  const rows = reshape(g, indices, [batch * count, depth])
  // Mod counts negative indices from the end. A single index may stay negative: its flat position counts from the end too.
  const wrapped = depth === 1 && batch === 1 ? rows : g.op('Mod', [rows, g.ints(dims)])
  const scaled = g.op('Mul', [wrapped, g.ints(steps)])
  const starts = depth === 1 ? scaled : g.op('ReduceSum', [scaled, g.ints([1])], { keepdims: attr.int(0) })
  if (batch === 1) return reshape(g, starts, [count])
  const each = sizeOf(shape.slice(batchDims))
  const offsets = g.constant(
    int64(
      [batch, 1],
      counted(batch).map((b) => b * each),
    ),
  )
  return g.op('Add', [reshape(g, starts, [batch, count]), offsets])
}

/** Flat positions of the slices that indices along an axis name; in the order (outer, indices). */
export function axisStarts(g: Emitter, indices: string, shape: readonly number[], axis: number): string {
  const outer = sizeOf(shape.slice(0, axis))
  const inner = sizeOf(shape.slice(axis + 1))
  const d = shape[axis] as number
  const long = g.op('Cast', [indices], { to: attr.int(7) })
  const row = reshape(g, long, [1, sizeOf(g.shape(indices))])
  const scaled = (from: string) => (inner === 1 ? from : g.op('Mul', [from, g.ints([inner])]))
  if (outer === 1) return scaled(row)
  const offsets = g.constant(
    int64(
      [outer, 1],
      counted(outer).map((o) => o * d * inner),
    ),
  )
  return g.op('Add', [scaled(g.op('Mod', [row, g.ints([d])])), offsets])
}
