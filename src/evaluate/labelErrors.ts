/**
 * Likely label errors by confident learning (Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty
 * in Dataset Labels"). It assumes out-of-fold probabilities: each sample's come from a model that did not see its label.
 */
import { argmaxRows, type Matrix, row } from '../base/matrix.js'

/** A sample whose label is probably wrong. */
export interface LabelError {
  /** Row of the sample. */
  readonly index: number
  /** Class it is labelled with. */
  readonly given: number
  /** Class that the model suggests. */
  readonly suggested: number
  /** p(given), "self-confidence". */
  readonly selfConfidence: number
  /** p(suggested). */
  readonly confidence: number
}

export interface LabelErrors {
  /** Most likely error first: ascending p(given) - p(suggested). */
  readonly errors: readonly LabelError[]
  /** t_j, the mean p(j) of the samples labelled j; NaN for a class without samples. */
  readonly thresholds: Float64Array
  /** Confident joint: counts of label i with latent class j, (C, C) row-major. */
  readonly joint: Int32Array
}

/** Probabilities this much below a threshold still count as reaching it: float32 noise. */
const SLACK = 1e-6

/**
 * Finds the off-diagonal samples of the confident joint: a sample labelled i belongs to latent class j where p(j) reaches
 * t_j, the average confidence in j of the samples labelled j; of several such classes the most probable one counts. A
 * sample is listed where j is not i and i is not the most probable class.
 */
export function findLabelErrors(probabilities: Matrix, labels: ArrayLike<number>): LabelErrors {
  const { rows: n, columns: classes } = probabilities
  if (labels.length !== n) throw new RangeError(`${labels.length} labels but ${n} rows of probabilities`)
  const sums = new Float64Array(classes)
  const counts = new Int32Array(classes)
  for (let i = 0; i < n; i++) {
    const k = labels[i]!
    if (!Number.isInteger(k) || k < 0 || k >= classes) {
      throw new RangeError(`sample ${i} has class index ${k}; expected an integer from 0 to ${classes - 1}`)
    }
    sums[k] = sums[k]! + row(probabilities, i)[k]!
    counts[k] = counts[k]! + 1
  }
  const thresholds = sums.map((sum, k) => sum / counts[k]!)
  const joint = new Int32Array(classes * classes)
  const predictions = argmaxRows(probabilities)
  const errors: LabelError[] = []
  for (let index = 0; index < n; index++) {
    const p = row(probabilities, index)
    let suggested = -1
    for (let j = 0; j < classes; j++) {
      if (p[j]! >= thresholds[j]! - SLACK && (suggested < 0 || p[j]! > p[suggested]!)) suggested = j
    }
    if (suggested < 0) continue
    const given = labels[index]!
    joint[given * classes + suggested] = joint[given * classes + suggested]! + 1
    if (suggested !== given && predictions[index] !== given) {
      errors.push({ index, given, suggested, selfConfidence: p[given]!, confidence: p[suggested]! })
    }
  }
  errors.sort((a, b) => a.selfConfidence - a.confidence - (b.selfConfidence - b.confidence) || a.index - b.index)
  return { errors, thresholds, joint }
}
