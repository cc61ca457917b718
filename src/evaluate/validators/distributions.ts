/** Entropies and means of predicted distributions, in nats. Probabilities are (N, C) with rows that sum to 1. */
import { type Matrix, row } from '../../base/matrix.js'

/** -sum p log p, with 0 log 0 = 0. */
export function entropy(p: ArrayLike<number>): number {
  let sum = 0
  for (let k = 0; k < p.length; k++) if (p[k]! > 0) sum -= p[k]! * Math.log(p[k]!)
  return sum
}

/** Mean entropy of the rows. */
export function meanEntropy(probabilities: Matrix): number {
  let sum = 0
  for (let i = 0; i < probabilities.rows; i++) sum += entropy(row(probabilities, i))
  return sum / probabilities.rows
}

/** Cross-entropy of each row of logits with its label, nats. */
export function crossEntropies(logits: Matrix, labels: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: logits.rows }, (_, i) => {
    const z = row(logits, i)
    let max = Number.NEGATIVE_INFINITY
    for (const value of z) max = Math.max(max, value)
    let sum = 0
    for (const value of z) sum += Math.exp(value - max)
    return Math.log(sum) + max - z[labels[i]!]!
  })
}

/** Share of each class among class indices. */
export function shares(predictions: ArrayLike<number>, classes: number): Float64Array {
  const out = new Float64Array(classes)
  for (let i = 0; i < predictions.length; i++) out[predictions[i]!] = out[predictions[i]!]! + 1
  return out.map((count) => count / Math.max(1, predictions.length))
}
