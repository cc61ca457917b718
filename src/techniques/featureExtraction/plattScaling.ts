/** Scores as log-odds (Platt 1999, with the corrections of Lin, Lin and Weng 2007). */
import { type Matrix, matrix } from '../../base/matrix.js'

/** What brings the logits of each label to log-odds: scale_c z_c + shift_c. */
export interface LabelScaling {
  /** (C), not negative. */
  readonly scale: Float64Array
  /** (C) */
  readonly shift: Float64Array
}

/** The logits as they are. */
export const unscaled = (classes: number): LabelScaling => ({
  scale: new Float64Array(classes).fill(1),
  shift: new Float64Array(classes),
})

/**
 * {@link plattScaling} of every label by itself.
 *
 * @param logits (N, C), held out
 * @param truth (N, C), 0 or 1
 * @param weights (N)
 */
export function scaleLabels(logits: Matrix, truth: ArrayLike<number>, weights: ArrayLike<number>): LabelScaling {
  const { rows, columns } = logits
  const found = unscaled(columns)
  for (let c = 0; c < columns; c++) {
    const scores = Float64Array.from({ length: rows }, (_, i) => logits.data[i * columns + c]!)
    const own = Uint8Array.from({ length: rows }, (_, i) => truth[i * columns + c]!)
    const { a, b } = plattScaling(scores, own, weights)
    found.scale[c] = a
    found.shift[c] = b
  }
  return found
}

export function scaledLabels(logits: Matrix, { scale, shift }: LabelScaling): Matrix {
  const { rows, columns } = logits
  return matrix(
    rows,
    columns,
    logits.data.map((z, at) => scale[at % columns]! * z + shift[at % columns]!),
  )
}

/**
 * a >= 0 and b that minimise the sum of w_i CE(t_i, sigmoid(a score_i + b)), t being (positives + 1) / (positives + 2) for the
 * positive samples and 1 / (negatives + 2) for the others, so that few samples never give a certainty. Newton's method on
 * standardised scores, halving steps that do not help.
 */
export function plattScaling(
  scores: Float64Array,
  labels: ArrayLike<number>,
  weights: ArrayLike<number>,
): { a: number; b: number } {
  let total = 0
  let positive = 0
  let mean = 0
  for (let i = 0; i < scores.length; i++) {
    total += weights[i]!
    positive += weights[i]! * labels[i]!
    mean += weights[i]! * scores[i]!
  }
  mean /= total
  const deviation = Math.sqrt(scores.reduce((sum, s, i) => sum + weights[i]! * (s - mean) ** 2, 0) / total)
  const high = (positive + 1) / (positive + 2)
  const low = 1 / (total - positive + 2)
  const constant = { a: 0, b: Math.log((positive + 0.5) / (total - positive + 0.5)) }
  if (!(deviation > 0)) return constant
  const x = scores.map((s) => (s - mean) / deviation)
  const targets = Float64Array.from(scores, (_, i) => (labels[i] === 1 ? high : low))
  const lossAt = (a: number, b: number) =>
    x.reduce((sum, v, i) => sum + weights[i]! * logisticLoss(a * v + b, targets[i]!), 0)
  let a = 0
  let b = constant.b
  let loss = lossAt(a, b)
  for (let step = 0; step < 100; step++) {
    let [ga, gb, haa, hab, hbb] = [0, 0, 1e-9, 0, 1e-9]
    for (let i = 0; i < x.length; i++) {
      const p = sigmoid(a * x[i]! + b)
      const off = weights[i]! * (p - targets[i]!)
      const curve = weights[i]! * p * (1 - p)
      ga += off * x[i]!
      gb += off
      haa += curve * x[i]! ** 2
      hab += curve * x[i]!
      hbb += curve
    }
    const det = haa * hbb - hab * hab
    const da = -(hbb * ga - hab * gb) / det
    const db = -(haa * gb - hab * ga) / det
    let size = 1
    while (size > 1e-10 && lossAt(a + size * da, b + size * db) >= loss) size /= 2
    if (size <= 1e-10) break
    a += size * da
    b += size * db
    const next = lossAt(a, b)
    if (loss - next < 1e-12 * Math.abs(loss)) break
    loss = next
  }
  // Scores that point the wrong way say nothing.
  if (a < 0) return constant
  return { a: a / deviation, b: b - (a * mean) / deviation }
}

export const sigmoid = (z: number): number => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)))

/** -log of the probability that sigmoid(z) gives to y, stable for any z. */
export const logisticLoss = (z: number, y: number): number =>
  Math.max(z, 0) - z * y + Math.log1p(Math.exp(-Math.abs(z)))
