/** Squared Mahalanobis distances to class means under one shared covariance. */
import { cholesky } from '../../base/linearAlgebra.js'
import { type Matrix, matrix, row } from '../../base/matrix.js'
import { covarianceWithin, labelMeans, presentLabels } from './withinClasses.js'

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
  const present = presentLabels(all)
  const means = matrix(present.length, k)
  present.forEach((c, at) => {
    means.data.set(row(all, c), at * k)
  })
  return { means, factor: cholesky(covarianceWithin(features, labels, all, SHRINKAGE), k) }
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
