/** Means of classes and the covariance of samples about them. */
import { type Matrix, matrix, row } from '../../base/matrix.js'

/** Mean of the rows of each label, (classes, D); NaN for a label without rows. */
export function labelMeans(features: Matrix, labels: ArrayLike<number>, classes: number): Matrix {
  const d = features.columns
  const sums = new Float64Array(classes * d)
  const counts = new Int32Array(classes)
  for (let i = 0; i < features.rows; i++) {
    const k = labels[i]!
    counts[k] = counts[k]! + 1
    const x = row(features, i)
    for (let j = 0; j < d; j++) sums[k * d + j] = sums[k * d + j]! + x[j]!
  }
  return matrix(
    classes,
    d,
    Float32Array.from(sums, (sum, at) => sum / counts[Math.floor(at / d)]!),
  )
}

/** The labels that have rows. */
export function presentLabels(means: Matrix): number[] {
  return Array.from({ length: means.rows }, (_, c) => c).filter((c) => !Number.isNaN(means.data[c * means.columns]!))
}

/**
 * The covariance within classes, drawn to a multiple of the identity: (1 - s) S + s tr(S) / D I, (D, D), lower triangle.
 *
 * @param means as {@link labelMeans} gives them
 * @param shrinkage s, above 0
 */
export function covarianceWithin(
  features: Matrix,
  labels: ArrayLike<number>,
  means: Matrix,
  shrinkage: number,
): Float64Array {
  const d = features.columns
  const covariance = new Float64Array(d * d)
  for (let i = 0; i < features.rows; i++) {
    const x = row(features, i)
    const mean = row(means, labels[i]!)
    for (let a = 0; a < d; a++) {
      const gap = (x[a]! - mean[a]!) / features.rows
      for (let b = 0; b <= a; b++) covariance[a * d + b] = covariance[a * d + b]! + gap * (x[b]! - mean[b]!)
    }
  }
  let trace = 0
  for (let a = 0; a < d; a++) trace += covariance[a * d + a]!
  const scale = trace > 0 ? trace / d : 1
  for (let a = 0; a < d; a++) {
    for (let b = 0; b <= a; b++) covariance[a * d + b] = (1 - shrinkage) * covariance[a * d + b]!
    covariance[a * d + a] = covariance[a * d + a]! + shrinkage * scale
  }
  return covariance
}
