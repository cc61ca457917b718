/**
 * Principal axes by randomised subspace iteration (Halko, Martinsson, Tropp 2011, Finding Structure with Randomness: Probabilistic
 * Algorithms for Constructing Approximate Matrix Decompositions, arXiv 0909.4061): the leading axes of wide features for the cost of a
 * few passes, where all eigenvectors would take minutes.
 */
import { columnMeans, symmetricEigen } from '../../base/linearAlgebra.js'
import { type Matrix, matrix, row } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { someRows } from '../validators/someRows.js'

export interface PrincipalAxes {
  /** Subtracted before projecting, (D). */
  readonly mean: Float32Array
  /** Orthonormal rows, (K, D), by falling variance. */
  readonly axes: Matrix
  /** Variance along each axis (divided by N), (K). */
  readonly variances: Float64Array
}

export interface PrincipalOptions {
  /** Axes at most; fewer where the features have fewer dimensions that vary. @default 64 */
  readonly count?: number
  /** Rows that the axes are found from. @default 1000 */
  readonly rows?: number
  readonly random: Random
}

const EXTRA = 10
const ROUNDS = 2

/** The leading principal axes of features (N, D). At least one, whatever the features. */
export function principalAxes(features: Matrix, options: PrincipalOptions): PrincipalAxes {
  const { count = 64, rows = 1000, random } = options
  const some = someRows(features, rows, random.fork('principal-rows'))
  const { rows: n, columns: d } = some
  const mean = columnMeans(some)
  const x = matrix(n, d)
  for (let i = 0; i < n; i++) for (let j = 0; j < d; j++) x.data[i * d + j] = some.data[i * d + j]! - mean[j]!
  const width = Math.min(count + EXTRA, n, d)
  const generator = random.fork('principal-start')
  let basis: Float64Array[] = Array.from({ length: width }, () =>
    Float64Array.from({ length: d }, () => generator.normal()),
  )
  orthonormalise(basis)
  for (let round = 0; round < ROUNDS; round++) {
    basis = back(x, ahead(x, basis))
    orthonormalise(basis)
  }
  // In the subspace the problem is small: covariance of the projections, solved exactly.
  const projected = ahead(x, basis)
  const small = new Float64Array(width * width)
  for (let a = 0; a < width; a++)
    for (let b = 0; b <= a; b++) {
      let sum = 0
      for (let i = 0; i < n; i++) sum += projected[a]![i]! * projected[b]![i]!
      small[a * width + b] = small[b * width + a] = sum / Math.max(1, n)
    }
  const { values, vectors } = symmetricEigen(small, width)
  const largest = Math.max(0, values.at(-1) ?? 0)
  const kept: number[] = []
  for (let j = width - 1; j >= 0 && kept.length < count; j--)
    if (kept.length === 0 || values[j]! > 1e-10 * largest) kept.push(j)
  const axes = matrix(kept.length, d)
  kept.forEach((j, k) => {
    for (let a = 0; a < width; a++)
      for (let c = 0; c < d; c++) axes.data[k * d + c] = axes.data[k * d + c]! + vectors[a * width + j]! * basis[a]![c]!
  })
  return {
    mean: Float32Array.from(mean),
    axes,
    variances: Float64Array.from(kept, (j) => Math.max(0, values[j]!)),
  }
}

/** Coordinates of features (N, D) along the axes, (N, K). */
export function project(features: Matrix, { mean, axes }: PrincipalAxes): Matrix {
  if (features.columns !== axes.columns)
    throw new RangeError(`axes of ${axes.columns} dimensions, but features of ${features.columns}`)
  const out = matrix(features.rows, axes.rows)
  const centred = new Float64Array(features.columns)
  for (let i = 0; i < features.rows; i++) {
    const x = row(features, i)
    for (let j = 0; j < centred.length; j++) centred[j] = x[j]! - mean[j]!
    for (let k = 0; k < axes.rows; k++) {
      const axis = row(axes, k)
      let sum = 0
      for (let j = 0; j < centred.length; j++) sum += centred[j]! * axis[j]!
      out.data[i * axes.rows + k] = sum
    }
  }
  return out
}

/** X v for each v of the basis: one array of N numbers each. Four at a time, so that each row is read once for them. */
function ahead(x: Matrix, basis: readonly Float64Array[]): Float64Array[] {
  const out = basis.map(() => new Float64Array(x.rows))
  const none = new Float64Array(x.columns)
  for (let at = 0; at < basis.length; at += 4) {
    const [a, b = none, c = none, d = none] = basis.slice(at, at + 4)
    for (let i = 0; i < x.rows; i++) {
      const r = row(x, i)
      let [sa, sb, sc, sd] = [0, 0, 0, 0]
      for (let j = 0; j < r.length; j++) {
        const v = r[j]!
        sa += v * a![j]!
        sb += v * b[j]!
        sc += v * c[j]!
        sd += v * d[j]!
      }
      const sums = [sa, sb, sc, sd]
      for (let k = at; k < Math.min(at + 4, basis.length); k++) out[k]![i] = sums[k - at]!
    }
  }
  return out
}

/** Xᵀ u for each u: one array of D numbers each. */
function back(x: Matrix, us: readonly Float64Array[]): Float64Array[] {
  const out = us.map(() => new Float64Array(x.columns))
  const [unread, none] = [new Float64Array(x.columns), new Float64Array(x.rows)]
  for (let at = 0; at < us.length; at += 4) {
    const [ua, ub = none, uc = none, ud = none] = us.slice(at, at + 4)
    const [a, b = unread, c = unread, d = unread] = out.slice(at, at + 4)
    for (let i = 0; i < x.rows; i++) {
      const r = row(x, i)
      const [sa, sb, sc, sd] = [ua![i]!, ub[i]!, uc[i]!, ud[i]!]
      for (let j = 0; j < r.length; j++) {
        const v = r[j]!
        a![j] = a![j]! + sa * v
        b[j] = b[j]! + sb * v
        c[j] = c[j]! + sc * v
        d[j] = d[j]! + sd * v
      }
    }
  }
  return out
}

/** Gram and Schmidt, twice over for rounding; a vector that depends on the others becomes zero. */
function orthonormalise(vectors: readonly Float64Array[]): void {
  vectors.forEach((v, a) => {
    const before = Math.sqrt(inner(v, v))
    for (let pass = 0; pass < 2; pass++)
      for (let b = 0; b < a; b++) {
        const u = vectors[b]!
        const share = inner(u, v)
        for (let j = 0; j < v.length; j++) v[j] = v[j]! - share * u[j]!
      }
    const length = Math.sqrt(inner(v, v))
    const scale = length > 1e-10 * before ? 1 / length : 0
    for (let j = 0; j < v.length; j++) v[j] = v[j]! * scale
  })
}

function inner(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let j = 0; j < a.length; j++) sum += a[j]! * b[j]!
  return sum
}
