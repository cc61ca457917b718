/**
 * softmax(scale Q K' + bias) V over heads, with the masks that the attention operators know, as products, sums and a
 * softmax. Shapes: queries (B, H, L, D), keys (B, G, S, D), values (B, G, S, E); H / G neighbouring query heads share keys.
 */
import { attr } from '../../graph/graph.js'
import { float32, type Tensor } from '../../graph/tensor.js'
import { reshape, slice, transpose } from '../emit.js'
import { fusedMatMul } from '../matmul.js'
import type { Emitter } from '../operator.js'

/** What a masked score becomes: finite, so that a row without any key is not NaN, and no sum with a score undoes it. */
export const MASKED = -1e38

export interface Attention {
  readonly q: string
  readonly k: string
  readonly v: string
  readonly scale: number
  /** Scores become softcap tanh(score / softcap); 0 for none. */
  readonly softcap?: number
  /** Added to the scores; broadcast to (B, H, L, S). */
  readonly biases?: readonly string[]
  /** Truth values, broadcast likewise: which keys a query sees. A query that sees none gives zeros. */
  readonly allowed?: readonly string[]
  /** Scores of a key without a value, one a head: broadcast to (B, H, L, 1). */
  readonly sink?: string
}

export interface Attended {
  /** (B, H, L, E) */
  readonly y: string
  /** The scores (B, H, L, S): as products, behind softcap, with biases and masks, and as probabilities. */
  readonly stages: readonly [string, string, string, string]
}

export function attend(g: Emitter, attention: Attention): Attended {
  const { q, k, v, scale, softcap = 0 } = attention
  const [batch, heads, length] = g.shape(q) as readonly [number, number, number, number]
  const [, groups, keys] = g.shape(k) as readonly [number, number, number]
  const features = g.shape(v).at(-1) as number
  const full = [batch, heads, length, keys]
  // Query heads that share keys are rows of one product.
  const rows = (value: string, width: number) => reshape(g, value, [batch, groups, (heads / groups) * length, width])
  const raw = reshape(g, fusedMatMul(g, rows(q, g.shape(q)[3] as number), k, false, true, scale), full)
  const capped =
    softcap === 0 ? raw : g.op('Mul', [g.op('Tanh', [g.op('Mul', [raw, g.float(1 / softcap)])]), g.float(softcap)])
  const { bias, alive } = masks(g, attention.allowed ?? [])
  const all = [...(attention.biases ?? []), ...(bias === undefined ? [] : [bias])]
  const masked = all.reduce((sum, b) => g.op('Add', [sum, b]), capped)
  const probabilities = softmax(g, masked, attention.sink)
  const seen = alive === undefined ? probabilities : g.op('Mul', [probabilities, alive])
  const y = reshape(g, g.op('MatMul', [rows(seen, keys), v]), [batch, heads, length, features])
  return { y, stages: [raw, capped, masked, seen] }
}

/** The bias of what is not allowed, and 1 for each query that sees a key (undefined where that is every one). */
function masks(g: Emitter, allowed: readonly string[]): { bias?: string; alive?: string } {
  if (allowed.length === 0) return {}
  const both = allowed.slice(1).reduce((a, b) => g.op('And', [a, b]), allowed[0] as string)
  const known = g.valueOf(both)
  const bias = known ? constantBias(g, known) : g.op('Where', [both, g.float(0), g.float(MASKED)])
  if (known && everyRowSees(known)) return { bias }
  const ones = g.op('Cast', [both], { to: attr.int(1) })
  return { bias, alive: g.op('ReduceMax', [ones, g.ints([-1])], { keepdims: attr.int(1) }) }
}

function constantBias(g: Emitter, { dims, data }: Tensor): string {
  return g.constant(
    float32(
      dims,
      Float32Array.from(data as Uint8Array, (v) => (v !== 0 ? 0 : MASKED)),
    ),
  )
}

function everyRowSees({ dims, data }: Tensor): boolean {
  const keys = dims.at(-1) as number
  for (let from = 0; from < data.length; from += keys)
    if (!(data as Uint8Array).subarray(from, from + keys).includes(1)) return false
  return true
}

/** Over the last axis; a sink takes part in the sum and is left out of the result. */
function softmax(g: Emitter, scores: string, sink: string | undefined): string {
  const axis = attr.int(-1)
  if (sink === undefined) return g.op('Softmax', [scores], { axis })
  const shape = g.shape(scores)
  const column = g.op('Expand', [sink, g.ints([...shape.slice(0, 3), 1])])
  const joined = g.op('Softmax', [g.op('Concat', [scores, column], { axis })], { axis })
  return slice(g, joined, 3, 0, shape[3] as number)
}

export interface Window {
  readonly queries: number
  readonly keys: number
  /** Keys in front of the first query: a number, or one for each sample in a value (B). */
  readonly offset: number | string
  /** How many keys before and after its own place a query sees; undefined for all. */
  readonly before?: number | undefined
  readonly after?: number | undefined
}

/** Which keys lie in the window of which query: (L, S), or (B, 1, L, S) where samples differ. */
export function inWindow(g: Emitter, { queries, keys, offset, before, after }: Window): string {
  const distance = (at: number) => (at % keys) - Math.floor(at / keys)
  const size = queries * keys
  if (typeof offset === 'number') {
    const sees = (d: number) => (before === undefined || d >= -before) && (after === undefined || d <= after)
    const data = Uint8Array.from({ length: size }, (_, at) => (sees(distance(at) - offset) ? 1 : 0))
    return g.constant({ type: 'bool', dims: [queries, keys], data })
  }
  const distances = g.constant({
    type: 'int64',
    dims: [1, 1, queries, keys],
    data: BigInt64Array.from({ length: size }, (_, at) => BigInt(distance(at))),
  })
  const moved = (by: number) => g.op('Add', [reshape(g, offset, [g.shape(offset)[0] as number, 1, 1, 1]), g.ints([by])])
  const sides = [
    ...(before === undefined ? [] : [g.op('GreaterOrEqual', [distances, moved(-before)])]),
    ...(after === undefined ? [] : [g.op('LessOrEqual', [distances, moved(after)])]),
  ]
  return sides.slice(1).reduce((a, b) => g.op('And', [a, b]), sides[0] as string)
}

/** Which keys come before a sample's length: lengths (B) to (B, 1, 1, S). */
export function withinLengths(g: Emitter, lengths: string, keys: number): string {
  const type = g.typeOf(lengths).type
  const whole = type === 'int64' ? lengths : g.op('Cast', [lengths], { to: attr.int(7) })
  const places = g.constant({
    type: 'int64',
    dims: [1, 1, 1, keys],
    data: BigInt64Array.from({ length: keys }, (_, i) => BigInt(i)),
  })
  return g.op('Less', [places, reshape(g, whole, [g.shape(lengths)[0] as number, 1, 1, 1])])
}

/** (B, L, H D) to (B, H, L, D). */
export function splitHeads(g: Emitter, value: string, heads: number): string {
  const [batch, length, hidden] = g.shape(value) as readonly [number, number, number]
  return transpose(g, reshape(g, value, [batch, length, heads, hidden / heads]), [0, 2, 1, 3])
}

/** (B, H, L, D) to (B, L, H D). */
export function joinHeads(g: Emitter, value: string): string {
  const [batch, heads, length, features] = g.shape(value) as readonly [number, number, number, number]
  return reshape(g, transpose(g, value, [0, 2, 1, 3]), [batch, length, heads * features])
}

/** Keys or values of earlier steps in front of the new ones. */
export function withPast(g: Emitter, past: string | undefined, value: string): string {
  if ((past ?? '') === '' || g.shape(past as string)[2] === 0) return value
  return g.op('Concat', [past as string, value], { axis: attr.int(2) })
}
