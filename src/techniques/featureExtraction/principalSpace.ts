/**
 * An exact change of coordinates onto the principal directions that the samples span. A linear model with an L2 penalty
 * has its optimum there (representer theorem), and L-BFGS started in it never leaves it: with few samples of many features
 * it is the same problem, only smaller.
 */
import { gram, outerGram, symmetricEigen } from '../../base/linearAlgebra.js'
import { type Matrix, matrix, row } from '../../base/matrix.js'
import { inner } from './classifier.js'

export interface PrincipalSpace {
  /** Z = U S, (N, R), with X = Z Vᵀ. Its columns are orthogonal, the largest first. */
  readonly features: Matrix
  /** Weights (C, R) on Z as weights (C, D) on X: W Vᵀ. */
  expand(weight: Matrix): Matrix
}

/** Directions below this share of the largest singular value are rounding. */
const NEGLIGIBLE = 1e-6

/** The singular value decomposition X = U S Vᵀ of (N, D) by way of the smaller of X Xᵀ and Xᵀ X. */
export function principalSpace(x: Matrix): PrincipalSpace {
  const wide = x.rows <= x.columns
  const n = wide ? x.rows : x.columns
  const { values, vectors } = symmetricEigen(wide ? outerGram(x) : gram(x), n)
  const largest = Math.max(0, values[n - 1] ?? 0)
  const kept: number[] = []
  for (let j = n - 1; j >= 0; j--) if (values[j]! > NEGLIGIBLE ** 2 * largest && values[j]! > 0) kept.push(j)
  // The chosen eigenvectors as columns, (n, R): U where X is wide, V where it is tall.
  const columns = matrix(n, kept.length)
  for (let i = 0; i < n; i++)
    for (let r = 0; r < kept.length; r++) columns.data[i * kept.length + r] = vectors[i * n + kept[r]!]!
  const singular = kept.map((j) => Math.sqrt(values[j]!))
  return wide ? fromLeft(x, columns, singular) : fromRight(x, columns)
}

/** Z = U S, and W Vᵀ = (W S⁻¹ Uᵀ) X. */
function fromLeft(x: Matrix, u: Matrix, singular: readonly number[]): PrincipalSpace {
  const rank = u.columns
  return {
    features: matrix(
      x.rows,
      rank,
      u.data.map((v, k) => v * singular[k % rank]!),
    ),
    expand(weight) {
      const out = matrix(weight.rows, x.columns)
      for (let c = 0; c < weight.rows; c++) {
        const shares = row(weight, c).map((w, r) => w / singular[r]!)
        const combination = Float64Array.from({ length: x.rows }, (_, i) => inner(shares, u.data, i * rank))
        out.data.set(combineRows(x, combination), c * x.columns)
      }
      return out
    },
  }
}

/** Z = X V. */
function fromRight(x: Matrix, v: Matrix): PrincipalSpace {
  const rank = v.columns
  const features = matrix(x.rows, rank)
  for (let i = 0; i < x.rows; i++) features.data.set(combineRows(v, row(x, i)), i * rank)
  return {
    features,
    expand(weight) {
      const out = matrix(weight.rows, v.rows)
      for (let c = 0; c < weight.rows; c++)
        for (let d = 0; d < v.rows; d++) out.data[c * v.rows + d] = inner(row(weight, c), v.data, d * rank)
      return out
    },
  }
}

/** Sum over rows of weight times row. */
function combineRows(m: Matrix, weights: ArrayLike<number>): Float64Array {
  const sum = new Float64Array(m.columns)
  for (let i = 0; i < m.rows; i++) {
    const w = weights[i]!
    const at = i * m.columns
    for (let d = 0; d < m.columns; d++) sum[d] = sum[d]! + w * m.data[at + d]!
  }
  return sum
}
