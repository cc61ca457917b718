/**
 * Few samples with many features: an exact change of coordinates onto the space that the samples span. A linear model
 * with an L2 penalty has its optimum there (representer theorem), and L-BFGS started in it never leaves it.
 */
import { outerGram, symmetricEigen } from '../../base/linearAlgebra.js'
import { type Matrix, matrix } from '../../base/matrix.js'

export interface RowSpace {
  /** Z = U S, (N, R), with X = Z basisᵀ. */
  readonly features: Matrix
  /** Orthonormal columns V, stored as rows: (R, D). */
  readonly basis: Matrix
}

/** Directions below this share of the largest singular value are rounding. */
const NEGLIGIBLE = 1e-6

/** The singular value decomposition X = U S Vᵀ by way of X Xᵀ, (N, N): worth it where N is well below D. */
export function rowSpace(x: Matrix): RowSpace {
  const n = x.rows
  const { values, vectors } = symmetricEigen(outerGram(x), n)
  const largest = Math.max(0, values[n - 1] ?? 0)
  const kept: number[] = []
  for (let j = n - 1; j >= 0; j--) if (values[j]! > NEGLIGIBLE ** 2 * largest && values[j]! > 0) kept.push(j)
  const features = matrix(n, kept.length)
  const basis = matrix(kept.length, x.columns)
  const sum = new Float64Array(x.columns)
  kept.forEach((j, r) => {
    const s = Math.sqrt(values[j]!)
    sum.fill(0)
    for (let i = 0; i < n; i++) {
      const u = vectors[i * n + j]!
      features.data[i * kept.length + r] = u * s
      const factor = u / s
      for (let d = 0; d < x.columns; d++) sum[d] = sum[d]! + factor * x.data[i * x.columns + d]!
    }
    basis.data.set(sum, r * x.columns)
  })
  return { features, basis }
}

/** Weights (C, R) on Z as weights (C, D) on X: W V. */
export function fromRowSpace(weight: Matrix, { basis }: RowSpace): Matrix {
  const out = matrix(weight.rows, basis.columns)
  const sum = new Float64Array(basis.columns)
  for (let c = 0; c < weight.rows; c++) {
    sum.fill(0)
    for (let r = 0; r < basis.rows; r++) {
      const w = weight.data[c * basis.rows + r]!
      for (let d = 0; d < basis.columns; d++) sum[d] = sum[d]! + w * basis.data[r * basis.columns + d]!
    }
    out.data.set(sum, c * basis.columns)
  }
  return out
}
