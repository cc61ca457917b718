/** Squared Mahalanobis distances to class means under one shared covariance. */
import { cholesky } from '../../base/linearAlgebra.js'
import { type Matrix, matrix, row } from '../../base/matrix.js'
import { labelMeans } from '../validators/circular.js'

export interface ClassGaussians {
  /** Means of the classes that have samples, (C', K). */
  readonly means: Matrix
  /** Lower-triangular L with L Lᵀ the shared covariance within classes, shrunk, (K, K). */
  readonly factor: Float64Array
}

/** Share of the identity (times the mean variance) in the covariance. */
const SHRINKAGE = 0.1

/**
 * Means by class and the covariance within classes, 0.9 S + 0.1 tr(S) / K I.
 *
 * @param labels class of each row; all zeros where classes are not known
 */
export function classGaussians(features: Matrix, labels: ArrayLike<number>, classes: number): ClassGaussians {
  const k = features.columns
  const all = labelMeans(features, labels, classes)
  const covariance = new Float64Array(k * k)
  for (let i = 0; i < features.rows; i++) {
    const x = row(features, i)
    const mean = row(all, labels[i]!)
    for (let a = 0; a < k; a++) {
      const gap = (x[a]! - mean[a]!) / Math.max(1, features.rows)
      for (let b = 0; b <= a; b++) covariance[a * k + b] = covariance[a * k + b]! + gap * (x[b]! - mean[b]!)
    }
  }
  let trace = 0
  for (let a = 0; a < k; a++) trace += covariance[a * k + a]!
  const scale = trace > 0 ? trace / k : 1
  for (let a = 0; a < k; a++) {
    for (let b = 0; b <= a; b++) covariance[a * k + b] = (1 - SHRINKAGE) * covariance[a * k + b]!
    covariance[a * k + a] = covariance[a * k + a]! + SHRINKAGE * scale
  }
  const present = Array.from({ length: classes }, (_, c) => c).filter((c) => !Number.isNaN(all.data[c * k]!))
  const means = matrix(present.length, k)
  present.forEach((c, at) => {
    means.data.set(row(all, c), at * k)
  })
  return { means, factor: cholesky(covariance, k) }
}

/** min over classes of |L⁻¹ (x - mean)|² for each row. */
export function nearestClassDistances(features: Matrix, { means, factor }: ClassGaussians): Float64Array {
  const k = means.columns
  const whiten = (x: ArrayLike<number>) => {
    const out = new Float64Array(k)
    for (let i = 0; i < k; i++) {
      let sum = x[i]!
      for (let j = 0; j < i; j++) sum -= factor[i * k + j]! * out[j]!
      out[i] = sum / factor[i * k + i]!
    }
    return out
  }
  const centres = Array.from({ length: means.rows }, (_, c) => whiten(row(means, c)))
  return Float64Array.from({ length: features.rows }, (_, i) => {
    const x = whiten(row(features, i))
    let least = Number.POSITIVE_INFINITY
    for (const centre of centres) {
      let sum = 0
      for (let j = 0; j < k; j++) sum += (x[j]! - centre[j]!) ** 2
      least = Math.min(least, sum)
    }
    return least
  })
}
