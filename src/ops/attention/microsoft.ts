/** onnxruntime's attention operators, which its optimizer and model builder write, as the operators that they stand for. */
import { attr, floatAttribute, intAttribute, intsAttribute } from '../../graph/graph.js'
import { reshape, slice } from '../emit.js'
import { type Emitter, expanded, type Operator, type UpgradeContext } from '../operator.js'
import { attend, inWindow, joinHeads, splitHeads, withinLengths, withPast } from './attend.js'
import { rotate } from './rotary.js'

const given = (value: string | undefined): value is string => (value ?? '') !== ''

/** What only a cache that is written in place needs. */
const CACHE = 'keeps its cache in a buffer that is written in place, which a training program cannot; export without it'

/** A scale of 0 stands for the usual one, as does an absent one. */
function scaleOf(c: UpgradeContext, features: number): number {
  const scale = floatAttribute(c.node, 'scale', 0)
  return scale === 0 ? 1 / Math.sqrt(features) : scale
}

/**
 * The bias of a mask of numbers (0: masked) or of lengths, by its rank: lengths (B); (B, S); (B, L, S); (B, 1, M, M) of
 * which the rows of the queries are taken. Also ends and beginnings (2 B).
 */
function maskBias(c: UpgradeContext, mask: string, queries: number, keys: number, past: number, batch: number): string {
  const { g } = c
  const filter = g.float(floatAttribute(c.node, 'mask_filter_value', -10000))
  const shape = g.shape(mask)
  const bias = (seen: string) => g.op('Where', [seen, g.float(0), filter])
  const nonZero = (value: string) => g.op('Cast', [value], { to: attr.int(9) })
  if (shape.length === 1) {
    if (shape[0] === batch) return bias(withinLengths(g, mask, keys))
    if (shape[0] !== 2 * batch)
      return c.refuse(`has a mask of shape (${shape}), of cumulated lengths, which is not read`)
    const ends = withinLengths(g, slice(g, mask, 0, 0, batch), keys)
    const starts = withinLengths(g, slice(g, mask, 0, batch, 2 * batch), keys)
    return bias(g.op('And', [ends, g.op('Not', [starts])]))
  }
  if (shape.length === 2) return bias(nonZero(reshape(g, mask, [batch, 1, 1, shape[1] as number])))
  if (shape.length === 3) return bias(nonZero(reshape(g, mask, [batch, 1, shape[1] as number, shape[2] as number])))
  const rows = slice(g, mask, 2, past, past + queries)
  return bias(nonZero(slice(g, rows, 3, 0, keys)))
}

/** Queries, keys and values with their heads apart, (B, H, L, D), and what the operators share. */
interface Parts {
  readonly q: string
  readonly k: string
  readonly v: string
  readonly past: number
  readonly mask: string | undefined
  readonly bias: string | undefined
}

function masked(c: UpgradeContext, { q, k, v, past, mask, bias }: Parts): string {
  const { g } = c
  const [batch, , queries, features] = g.shape(q) as readonly [number, number, number, number]
  const keys = g.shape(k)[2] as number
  const biases = [
    ...(given(mask) ? [maskBias(c, mask, queries, keys, past, batch)] : []),
    ...(given(bias) ? [bias] : []),
  ]
  const causal = intAttribute(c.node, 'unidirectional', 0) === 1
  const allowed = causal ? [inWindow(g, { queries, keys, offset: past, after: 0 })] : []
  return joinHeads(g, attend(g, { q, k, v, scale: scaleOf(c, features), biases, allowed }).y)
}

/** Projection and self-attention in one: input (B, L, C), weights (C, 3 H D), bias (3 H D). */
function attention(c: UpgradeContext): readonly string[] {
  const { g, node } = c
  const [input, weights, bias, mask, past, added, length] = c.inputs as readonly [string, string, ...string[]]
  if (given(length) || intAttribute(node, 'past_present_share_buffer', 0) === 1) return c.refuse(CACHE)
  if (intAttribute(node, 'do_rotary', 0) === 1)
    return c.refuse('turns its queries by angles of its own, which is not read')
  const product = g.op('MatMul', [input, weights])
  const projected = given(bias) ? g.op('Add', [product, bias]) : product
  const third = (g.shape(weights)[1] as number) / 3
  const [dq, dk, dv] = (intsAttribute(node, 'qkv_hidden_sizes') ?? [third, third, third]) as [number, number, number]
  const heads = intAttribute(node, 'num_heads', 1)
  const part = (from: number, size: number) => splitHeads(g, slice(g, projected, 2, from, from + size), heads)
  const earlier = (at: 0 | 1) =>
    given(past) ? reshape(g, slice(g, past, 0, at, at + 1), g.shape(past).slice(1)) : undefined
  const q = part(0, dq)
  const [k, v] = [withPast(g, earlier(0), part(dq, dk)), withPast(g, earlier(1), part(dq + dk, dv))]
  const count = (g.shape(k)[2] as number) - (g.shape(q)[2] as number)
  const y = masked(c, { q, k, v, past: count, mask, bias: added })
  if (!given(node.outputs[1])) return [y]
  const pair = [k, v].map((value) => reshape(g, value, [1, ...g.shape(value)]))
  return [y, g.op('Concat', pair, { axis: attr.int(0) })]
}

/** One of `count` tensors that lie side by side in axis 3: (B, L, H, count, D) to (B, L, H D). */
function unpacked(g: Emitter, value: string, at: number): string {
  const [batch, length, heads, , features] = g.shape(value) as readonly [number, number, number, number, number]
  return reshape(g, slice(g, value, 3, at, at + 1), [batch, length, heads * features])
}

function multiHead(c: UpgradeContext): readonly string[] {
  const { g, node } = c
  const [query, key, value, bias, mask, added, pastKey, pastValue, length, indirection] = c.inputs as readonly string[]
  if (given(length) || given(indirection)) return c.refuse(CACHE)
  if (given(node.outputs[3])) return c.refuse('gives out its scores, which is not read')
  const heads = intAttribute(node, 'num_heads', 1)
  const packed = g.shape(query as string).length === 5
  const pair = given(key) && g.shape(key).length === 5
  const q = packed ? unpacked(g, query as string, 0) : (query as string)
  const k = packed ? unpacked(g, query as string, 1) : pair ? unpacked(g, key, 0) : (key as string)
  const v = packed ? unpacked(g, query as string, 2) : pair ? unpacked(g, key as string, 1) : (value as string)
  // Keys and values of rank 4 have their heads apart already and take no bias.
  const widths = [q, k, v].map((part) => (g.shape(part).length === 3 ? (g.shape(part)[2] as number) : 0))
  const split = (part: string, at: number) => {
    if (g.shape(part).length === 4) return part
    if (!given(bias)) return splitHeads(g, part, heads)
    const from = at === 0 ? 0 : at === 1 ? (widths[0] as number) : g.shape(bias)[0]! - (widths[2] as number)
    return splitHeads(g, g.op('Add', [part, slice(g, bias, 0, from, from + (widths[at] as number))]), heads)
  }
  const newKeys = split(k, 1)
  const all = { q: split(q, 0), k: withPast(g, pastKey, newKeys), v: withPast(g, pastValue, split(v, 2)) }
  const past = (g.shape(all.k)[2] as number) - (g.shape(newKeys)[2] as number)
  return [masked(c, { ...all, past, mask, bias: added }), all.k, all.v]
}

/** Attention of a prompt with fewer heads of keys than of queries; each query sees what is before it. */
function groupQuery(c: UpgradeContext): readonly string[] {
  const { g, node } = c
  const [query, key, value, pastKey, , , , cosines, sines, positions, added, sinks, ...rest] = c.inputs as string[]
  if (given(pastKey) && g.shape(pastKey)[2] !== 0)
    return c.refuse('continues from a cache of earlier keys; give it a past of length 0')
  if (rest.some(given)) return c.refuse('has a quantised cache or norms inside, which are not read')
  const heads = intAttribute(node, 'num_heads', 1)
  const groups = intAttribute(node, 'kv_num_heads', heads)
  const [, length, hidden] = g.shape(query as string) as readonly [number, number, number]
  const packed = !given(key)
  const features = hidden / (packed ? heads + 2 * groups : heads)
  const part = (from: number, count: number) => slice(g, query as string, 2, from * features, (from + count) * features)
  const [q, k, v] = packed
    ? [part(0, heads), part(heads, groups), part(heads + groups, groups)]
    : [query as string, key as string, value as string]
  const turned = (x: string, count: number) => {
    const apart = splitHeads(g, x, count)
    if (intAttribute(node, 'do_rotary', 0) !== 1) return apart
    const angles = (cache: string) => cacheRows(g, cache, given(positions) ? positions : undefined, length)
    const interleaved = intAttribute(node, 'rotary_interleaved', 0) === 1
    return rotate(g, {
      x: apart,
      headsFirst: true,
      cos: angles(cosines as string),
      sin: angles(sines as string),
      interleaved,
    })
  }
  const [qs, ks, vs] = [turned(q, heads), turned(k, groups), splitHeads(g, v, groups)]
  const causal = intAttribute(node, 'causal', 1) === 1
  const local = intAttribute(node, 'local_window_size', -1)
  const before = local > 0 ? local - 1 : undefined
  const allowed = causal ? [inWindow(g, { queries: length, keys: length, offset: 0, before, after: 0 })] : []
  const smooth = intAttribute(node, 'smooth_softmax', 0) === 1
  const sink = given(sinks)
    ? reshape(g, sinks, [1, heads, 1, 1])
    : smooth
      ? g.op('Expand', [g.float(0), g.ints([1, 1, 1, 1])])
      : undefined
  const { y } = attend(g, {
    q: qs,
    k: ks,
    v: vs,
    scale: scaleOf(c, features),
    softcap: floatAttribute(node, 'softcap', 0),
    biases: given(added) ? [added] : [],
    allowed,
    ...(sink === undefined ? {} : { sink }),
  })
  if (given(node.outputs[3])) return c.refuse('gives out its scores, which is not read')
  return [joinHeads(g, y), ks, vs]
}

/** Rows of a cache of angles: at the positions (B, S), counted from one position (1), or from 0; (B or 1, S, R / 2). */
function cacheRows(g: Emitter, cache: string, positions: string | undefined, length: number): string {
  if (positions === undefined) {
    const rows = slice(g, cache, 0, 0, length)
    return reshape(g, rows, [1, length, g.shape(cache)[1] as number])
  }
  const counted = g.shape(positions).length === 1
  const from = g.constant({
    type: 'int64',
    dims: [1, length],
    data: BigInt64Array.from({ length }, (_, i) => BigInt(i)),
  })
  return g.op('Gather', [cache, counted ? g.op('Add', [positions, from]) : positions], { axis: attr.int(0) })
}

function rotaryEmbedding(c: UpgradeContext): readonly string[] {
  const { g, node } = c
  const [x, positions, cosines, sines] = c.inputs as readonly [string, string, string, string]
  if (intAttribute(node, 'is_packed_batching', 0) === 1)
    return c.refuse('packs samples of different lengths, which is not read')
  if (floatAttribute(node, 'scale', 1) !== 1) return c.refuse('scales its positions, which is not read')
  const shape = g.shape(x)
  const headsFirst = shape.length === 4
  const length = shape[headsFirst ? 2 : 1] as number
  const named = intAttribute(node, 'num_heads', 0)
  const hidden = shape[2] as number
  const heads = named > 0 ? named : hidden / (2 * (g.shape(cosines)[1] as number))
  const apart = headsFirst ? x : reshape(g, x, [shape[0] as number, length, heads, hidden / heads])
  const turned = rotate(g, {
    x: apart,
    headsFirst,
    cos: cacheRows(g, cosines, positions, length),
    sin: cacheRows(g, sines, positions, length),
    interleaved: intAttribute(node, 'interleaved', 0) === 1,
  })
  return [reshape(g, turned, shape)]
}

export const microsoftAttentions = {
  Attention: expanded('MatMul, Softmax', attention),
  MultiHeadAttention: expanded('MatMul, Softmax', multiHead),
  GroupQueryAttention: expanded('MatMul, Softmax', groupQuery),
  RotaryEmbedding: expanded('Mul, Add, Concat', rotaryEmbedding),
} as const satisfies Record<string, Operator>
