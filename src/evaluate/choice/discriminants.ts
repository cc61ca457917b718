/** The directions in which the source's classes differ, in units of how much samples of one class differ. */
import { cholesky, columnMeans, symmetricEigen } from '../../base/linearAlgebra.js'
import { type Matrix, matrix, row } from '../../base/matrix.js'
import { covarianceWithin, labelMeans, presentLabels } from '../shift/withinClasses.js'

export interface Discriminants {
  /** Means of the classes, (C, d); NaN for a class without samples. */
  readonly means: Matrix
  /** Coordinates of features (N, D), (N, d); within a class they vary by about 1 in each direction. */
  coordinates(features: Matrix): Matrix
}

/** Share of the identity in the covariance within classes. */
const SHRINKAGE = 0.3
const MOST = 32

/**
 * Fisher's discriminants (Fisher 1936; Rao 1948): with S = 0.7 S_w + 0.3 tr(S_w) / D I the covariance within classes, the leading directions of the
 * class means in the coordinates in which S is the identity; d = min(C - 1, D, 32).
 */
export function discriminants(features: Matrix, labels: ArrayLike<number>, classes: number): Discriminants {
  const d = features.columns
  const all = labelMeans(features, labels, classes)
  const factor = cholesky(covarianceWithin(features, labels, all, SHRINKAGE), d)
  const present = presentLabels(all)
  const white = matrix(present.length, d)
  present.forEach((k, at) => void white.data.set(whiten(row(all, k), factor), at * d))
  const centre = columnMeans(white)
  const between = new Float64Array(d * d)
  for (let i = 0; i < white.rows; i++)
    for (let a = 0; a < d; a++)
      for (let b = 0; b <= a; b++)
        between[a * d + b] =
          between[a * d + b]! + (white.data[i * d + a]! - centre[a]!) * (white.data[i * d + b]! - centre[b]!)
  const { vectors } = symmetricEigen(between, d)
  const width = Math.max(1, Math.min(present.length - 1, d, MOST))
  const project = (x: Float64Array) =>
    Float32Array.from({ length: width }, (_, j) => {
      let sum = 0
      for (let a = 0; a < d; a++) sum += (x[a]! - centre[a]!) * vectors[a * d + (d - 1 - j)]!
      return sum
    })
  const means = matrix(classes, width, new Float32Array(classes * width).fill(Number.NaN))
  for (const k of present) means.data.set(project(whiten(row(all, k), factor)), k * width)
  return {
    means,
    coordinates: (m) => {
      const out = matrix(m.rows, width)
      for (let i = 0; i < m.rows; i++) out.data.set(project(whiten(row(m, i), factor)), i * width)
      return out
    },
  }
}

/** L⁻¹ x. */
function whiten(x: ArrayLike<number>, factor: Float64Array): Float64Array {
  const n = x.length
  const out = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    let sum = x[i]!
    for (let j = 0; j < i; j++) sum -= factor[i * n + j]! * out[j]!
    out[i] = sum / factor[i * n + i]!
  }
  return out
}
