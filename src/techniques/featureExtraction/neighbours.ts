/**
 * Votes of the k nearest neighbours by cosine similarity (Wu et al. 2018; Caron et al. 2021), in plain arrays and in ONNX.
 * What a neighbour votes for is a row of numbers: one-hot classes, labels, or a value.
 */
import { type Matrix, matrix, row } from '../../base/matrix.js'
import { attr } from '../../graph/graph.js'
import { inner } from './classifier.js'
import type { HeadWriter } from './headNodes.js'

/** Default candidates for k. */
export const NEIGHBOURS = [1, 3, 5, 10, 20, 50, 100]
/** Samples that k is chosen on, where there are more. */
export const NEIGHBOUR_SEARCH = 2000
/** Default temperature of the votes. */
export const TAU = 0.07
/** Votes that are smaller than any real one. */
const LEAST = 1e-30

/** What can be a neighbour. */
export interface Bank {
  /** Normalised features, (B, D). */
  readonly features: Matrix
  /** What each votes for, (B, C). */
  readonly values: Matrix
  /** Weight of each, (B). */
  readonly weights: Float64Array
  readonly tau: number
}

/** Rows divided by their length; a row of zeros stays. */
export function normalised(m: Matrix): Matrix {
  const out = matrix(m.rows, m.columns)
  for (let i = 0; i < m.rows; i++) {
    const x = row(m, i)
    const length = Math.max(Math.sqrt(inner(x, x)), 1e-12)
    for (let j = 0; j < x.length; j++) out.data[i * m.columns + j] = x[j]! / length
  }
  return out
}

/** Positions of the largest similarities, nearest first; of equals the earlier one. */
export function nearest(similarities: Float32Array, count: number, except = -1): Int32Array {
  const found = new Int32Array(Math.min(count, similarities.length - (except >= 0 ? 1 : 0)))
  let used = 0
  for (let i = 0; i < similarities.length; i++) {
    const value = similarities[i]!
    if (i === except || (used === found.length && value <= similarities[found[used - 1]!]!)) continue
    let at = used < found.length ? used++ : used - 1
    while (at > 0 && similarities[found[at - 1]!]! < value) {
      found[at] = found[at - 1]!
      at--
    }
    found[at] = i
  }
  return found
}

/**
 * out_c = sum_i v_i values_ic / sum_i v_i with v_i = weight_i exp((cos_i - 1) / tau), which cannot overflow. Zeros where no
 * neighbour has a weight.
 */
export function vote(
  { values, weights, tau }: Bank,
  similarities: Float32Array,
  near: Int32Array,
  out: Float32Array,
): void {
  out.fill(0)
  let total = 0
  for (const i of near) {
    const v = weights[i]! * Math.exp((similarities[i]! - 1) / tau)
    for (let c = 0; c < out.length; c++) {
      const value = values.data[i * out.length + c]!
      if (value !== 0) out[c] = out[c]! + v * value
    }
    total += v
  }
  for (let c = 0; c < out.length; c++) out[c] = out[c]! / Math.max(total, LEAST)
}

/** The votes of the k nearest for features (M, D), (M, C). */
export function votesOf(bank: Bank, features: Matrix, k: number): Matrix {
  const queries = normalised(features)
  const out = matrix(queries.rows, bank.values.columns)
  const similarities = new Float32Array(bank.features.rows)
  for (let q = 0; q < queries.rows; q++) {
    const x = row(queries, q)
    for (let i = 0; i < similarities.length; i++) similarities[i] = inner(x, bank.features.data, i * x.length)
    vote(bank, similarities, nearest(similarities, k), row(out, q))
  }
  return out
}

/** The same in ONNX, opset 11 and up: the name of the votes, (M, C). Sums are products with ones, whose form no opset changed. */
export function voteNodes(w: HeadWriter, bank: Bank, k: number, features: string): string {
  const { tau, values, weights } = bank
  const d = bank.features.columns
  const b = bank.features.rows
  const c = values.columns
  const transposed = new Float32Array(d * b)
  for (let i = 0; i < b; i++) for (let j = 0; j < d; j++) transposed[j * b + i] = bank.features.data[i * d + j]!
  // Each neighbour's weighted row, its weight last.
  const rows = new Float32Array(b * (c + 1))
  for (let i = 0; i < b; i++) {
    for (let at = 0; at < c; at++) rows[i * (c + 1) + at] = weights[i]! * values.data[i * c + at]!
    rows[i * (c + 1) + c] = weights[i]!
  }
  const takeValues = new Float32Array((c + 1) * c)
  for (let at = 0; at < c; at++) takeValues[at * c + at] = 1
  const takeTotal = new Float32Array(c + 1)
  takeTotal[c] = 1

  const squares = w.op('Mul', [features, features], {}, 'squares')
  const square = w.op('MatMul', [squares, w.floats('ones', [d, 1], new Float32Array(d).fill(1))], {}, 'square')
  const length = w.op('Max', [w.op('Sqrt', [square], {}, 'root'), w.floats('tiny', [1], [1e-12])], {}, 'length')
  const unit = w.op('Div', [features, length], {}, 'unit')
  const similarity = w.op('MatMul', [unit, w.floats('bank', [d, b], transposed)], {}, 'similarity')
  const axis = { axis: attr.int(-1) }
  const near = w.op('TopK', [similarity, w.ints('k', [k])], axis, 'near', 'neighbours')
  const neighbours = w.nodes.at(-1)!.outputs[1]!
  const shifted = w.op('Sub', [near, w.floats('one', [1], [1])], {}, 'shifted')
  const votes = w.op('Exp', [w.op('Div', [shifted, w.floats('tau', [1], [tau])], {}, 'scaled')], {}, 'votes')
  const votesRow = w.op('Reshape', [votes, w.ints('votes.shape', [0, 1, k])], {}, 'votes.row')
  const chosen = w.op('Gather', [w.floats('rows', [b, c + 1], rows), neighbours], { axis: attr.int(0) }, 'chosen')
  const product = w.op('MatMul', [votesRow, chosen], {}, 'summed')
  const sums = w.op('Reshape', [product, w.ints('sums.shape', [0, c + 1])], {}, 'sums')
  const byClass = w.op('MatMul', [sums, w.floats('take.values', [c + 1, c], takeValues)], {}, 'byClass')
  const all = w.op('MatMul', [sums, w.floats('take.total', [c + 1, 1], takeTotal)], {}, 'all')
  const total = w.op('Max', [all, w.floats('least', [1], [LEAST])], {}, 'total')
  return w.op('Div', [byClass, total], {}, 'share')
}
