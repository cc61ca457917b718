/**
 * Dense linear algebra in double precision for closed-form methods (ridge, LDA, transferability scores): Gram matrices,
 * Cholesky factors and the symmetric eigenproblem. Square matrices are row-major `Float64Array`s of length n * n.
 *
 * Everything here runs on one thread and is deterministic: the same input gives the same bits.
 */
import { GraftError } from './errors.js'
import type { Matrix } from './matrix.js'

/** Mean of each column of features (N, D), shape (D). Zeros where there are no rows. */
export function columnMeans(m: Matrix): Float64Array {
  const means = new Float64Array(m.columns)
  for (let i = 0; i < m.rows; i++) {
    const offset = i * m.columns
    for (let j = 0; j < m.columns; j++) means[j] = means[j]! + m.data[offset + j]!
  }
  if (m.rows > 0) for (let j = 0; j < m.columns; j++) means[j] = means[j]! / m.rows
  return means
}

/** What to do to the rows before a Gram matrix is formed. */
export interface GramOptions {
  /** Subtracted from every row, (D). Default: nothing is subtracted. */
  readonly mean?: ArrayLike<number>
  /** Weight of each row, (N), not negative. Default: 1. */
  readonly weights?: ArrayLike<number>
}

/** Xᵀ W X of features X (N, D), shape (D, D), with W the diagonal of the rows' weights. */
export function gram(m: Matrix, options: GramOptions = {}): Float64Array {
  const { rows, columns, data } = m
  const transposed = new Float64Array(columns * rows)
  for (let i = 0; i < rows; i++) {
    const scale = options.weights === undefined ? 1 : Math.sqrt(options.weights[i]!)
    for (let j = 0; j < columns; j++) {
      transposed[j * rows + i] = scale * (data[i * columns + j]! - (options.mean?.[j] ?? 0))
    }
  }
  return rowProducts(transposed, columns, rows)
}

/** X Xᵀ of features X (N, D), shape (N, N): the small one where there are fewer samples than dimensions. */
export function outerGram(m: Matrix, options: GramOptions = {}): Float64Array {
  const { rows, columns, data } = m
  const copy = new Float64Array(rows * columns)
  for (let i = 0; i < rows; i++) {
    const scale = options.weights === undefined ? 1 : Math.sqrt(options.weights[i]!)
    for (let j = 0; j < columns; j++)
      copy[i * columns + j] = scale * (data[i * columns + j]! - (options.mean?.[j] ?? 0))
  }
  return rowProducts(copy, rows, columns)
}

/** All inner products of the n rows of a (n, length) array; four rows against one at a time, for speed. */
function rowProducts(a: Float64Array, n: number, length: number): Float64Array {
  const out = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    const at = i * length
    let j = 0
    for (; j + 3 <= i; j += 4) {
      const b0 = j * length
      const b1 = b0 + length
      const b2 = b1 + length
      const b3 = b2 + length
      let s0 = 0
      let s1 = 0
      let s2 = 0
      let s3 = 0
      for (let k = 0; k < length; k++) {
        const x = a[at + k]!
        s0 += x * a[b0 + k]!
        s1 += x * a[b1 + k]!
        s2 += x * a[b2 + k]!
        s3 += x * a[b3 + k]!
      }
      out[i * n + j] = s0
      out[i * n + j + 1] = s1
      out[i * n + j + 2] = s2
      out[i * n + j + 3] = s3
    }
    for (; j <= i; j++) out[i * n + j] = dot(a, at, a, j * length, length)
    for (let k = 0; k < i; k++) out[k * n + i] = out[i * n + k]!
  }
  return out
}

/** Inner product of two stretches of numbers. */
function dot(a: Float64Array, from: number, b: Float64Array, at: number, length: number): number {
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  let k = 0
  for (; k + 3 < length; k += 4) {
    s0 += a[from + k]! * b[at + k]!
    s1 += a[from + k + 1]! * b[at + k + 1]!
    s2 += a[from + k + 2]! * b[at + k + 2]!
    s3 += a[from + k + 3]! * b[at + k + 3]!
  }
  for (; k < length; k++) s0 += a[from + k]! * b[at + k]!
  return s0 + s1 + (s2 + s3)
}

/**
 * Lower-triangular L with A = L Lᵀ for a symmetric positive definite A (n, n); only the lower triangle of A is read.
 *
 * @throws GraftError where A is not positive definite, naming the row.
 */
export function cholesky(a: Float64Array, n: number): Float64Array {
  checkSquare(a, n)
  const l = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    const row = i * n
    for (let j = 0; j < i; j++) l[row + j] = (a[row + j]! - dot(l, row, l, j * n, j)) / l[j * n + j]!
    const pivot = a[row + i]! - dot(l, row, l, row, i)
    if (!(pivot > 0)) {
      throw new GraftError(`The matrix (${n} x ${n}) is not positive definite: pivot ${i} is ${pivot}.`, {
        remedy: 'Add a larger ridge or shrinkage to the diagonal, or remove features that are constant or repeated.',
      })
    }
    l[row + i] = Math.sqrt(pivot)
  }
  return l
}

/** X (n, columns) with L Lᵀ X = B, for B (n, columns) row-major and L from {@link cholesky}. */
export function solveCholesky(l: Float64Array, n: number, b: ArrayLike<number>, columns = 1): Float64Array {
  checkSquare(l, n)
  if (b.length !== n * columns)
    throw new RangeError(`right-hand side ${n} x ${columns} needs ${n * columns} numbers, got ${b.length}`)
  const x = Float64Array.from(b)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) subtractScaled(x, i * columns, x, k * columns, l[i * n + k]!, columns)
    scale(x, i * columns, 1 / l[i * n + i]!, columns)
  }
  for (let i = n - 1; i >= 0; i--) {
    scale(x, i * columns, 1 / l[i * n + i]!, columns)
    for (let k = 0; k < i; k++) subtractScaled(x, k * columns, x, i * columns, l[i * n + k]!, columns)
  }
  return x
}

function subtractScaled(
  to: Float64Array,
  at: number,
  from: Float64Array,
  start: number,
  factor: number,
  length: number,
): void {
  for (let j = 0; j < length; j++) to[at + j] = to[at + j]! - factor * from[start + j]!
}

function scale(to: Float64Array, at: number, factor: number, length: number): void {
  for (let j = 0; j < length; j++) to[at + j] = to[at + j]! * factor
}

function checkSquare(a: Float64Array, n: number): void {
  if (a.length !== n * n) throw new RangeError(`matrix ${n} x ${n} needs ${n * n} numbers, got ${a.length}`)
}

export { type Eigen, eigenCoordinates, symmetricEigen } from './eigen.js'
