/**
 * What is known of labels without features: their log-odds, which are where a regression starts, and all there is to say of a
 * label that every or no sample has. Points are W (C, D), then b (C).
 */
import { type Matrix, row } from '../../base/matrix.js'
import type { Evaluation, Vector } from '../../optim/lbfgs.js'

export interface LabelOdds {
  /** log((positives + 1/2) / (negatives + 1/2)), counted by weight. */
  readonly logit: number
  /** Whether there are both. */
  readonly learnable: boolean
}

/** What the training samples say of each label by itself. */
export function logOdds(targets: Matrix, weights: ArrayLike<number>): LabelOdds[] {
  const positive = new Float64Array(targets.columns)
  let total = 0
  for (let i = 0; i < targets.rows; i++) {
    total += weights[i]!
    const own = row(targets, i)
    for (let c = 0; c < own.length; c++) positive[c] = positive[c]! + weights[i]! * own[c]!
  }
  return Array.from(positive, (p) => ({
    logit: Math.log((p + 0.5) / (total - p + 0.5)),
    learnable: p > 0 && total - p > 1e-9 * total,
  }))
}

/** W = 0 and each label's log-odds: W (C, D), then b (C). */
export function startAt(odds: readonly LabelOdds[], dimensions: number): Float32Array {
  const point = new Float32Array(odds.length * (dimensions + 1))
  odds.forEach(({ logit }, c) => {
    point[odds.length * dimensions + c] = logit
  })
  return point
}

/** Makes a label of a point (or of a gradient) constant. */
export function setConstant(point: Vector, dimensions: number, classes: number, label: number, logit: number): void {
  point.fill(0, label * dimensions, (label + 1) * dimensions)
  point[classes * dimensions + label] = logit
}

/** The evaluation without the gradient of labels that stay as they are. */
export function frozen(
  evaluation: Evaluation,
  dimensions: number,
  classes: number,
  labels: { keys(): Iterable<number> },
): Evaluation {
  for (const c of labels.keys()) setConstant(evaluation.gradient as Vector, dimensions, classes, c, 0)
  return evaluation
}
