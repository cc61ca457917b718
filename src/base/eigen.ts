/**
 * The symmetric eigenproblem: Householder reduction to a tridiagonal matrix, then the implicit QL method
 * (EISPACK's tred2 and tql2; Golub and Van Loan, Matrix Computations, 8.3). Double precision, one thread, deterministic.
 *
 * The plane rotations of QL are recorded and applied in batches to four rows at a time, which keeps them in cache:
 * n = 1280 takes a few seconds with the vectors and about a second without.
 */
import { InternalError } from './errors.js'

/** A = V diag(values) Vᵀ. */
export interface Eigen {
  /** Eigenvalues in ascending order, (n). */
  readonly values: Float64Array
  /** Orthonormal eigenvectors, (n, n) row-major; column j belongs to `values[j]`. */
  readonly vectors: Float64Array
}

/** Eigenvalues and eigenvectors of a symmetric A (n, n); only its lower triangle is read. */
export function symmetricEigen(a: Float64Array, n: number): Eigen {
  const reduced = tridiagonalise(a, n)
  const basis = accumulate(reduced, n)
  const values = implicitQl(reduced.diagonal, reduced.offDiagonal, basis, n)
  return sorted(values, basis, n, n)
}

/**
 * Eigenvalues of a symmetric A (n, n) and the coordinates (Vᵀ B)ᵀ of some vectors in its eigenbasis, without forming V.
 * `b` holds the vectors as rows, (count, n); so does the result's `coordinates`. Far cheaper than all eigenvectors.
 */
export function eigenCoordinates(
  a: Float64Array,
  n: number,
  b: ArrayLike<number> = [],
  count = b.length / Math.max(1, n),
): { values: Float64Array; coordinates: Float64Array } {
  if (b.length !== count * n)
    throw new RangeError(`${count} vectors of ${n} need ${count * n} numbers, got ${b.length}`)
  const reduced = tridiagonalise(a, n)
  const rows = Float64Array.from(b)
  for (let i = n - 1; i > 0; i--) {
    const beta = reduced.beta[i]!
    if (beta === 0) continue
    for (let r = 0; r < count; r++) {
      let sum = 0
      for (let k = 0; k < i; k++) sum += reduced.reflectors[i * n + k]! * rows[r * n + k]!
      sum *= beta
      for (let k = 0; k < i; k++) rows[r * n + k] = rows[r * n + k]! - sum * reduced.reflectors[i * n + k]!
    }
  }
  const values = implicitQl(reduced.diagonal, reduced.offDiagonal, rows, n)
  const result = sorted(values, rows, n, count)
  return { values: result.values, coordinates: result.vectors }
}

interface Tridiagonal {
  readonly diagonal: Float64Array
  /** offDiagonal[i] couples i and i + 1; the last is 0. */
  readonly offDiagonal: Float64Array
  /** Row i holds the Householder vector of step i in its first i entries. */
  readonly reflectors: Float64Array
  /** 2 / |v|² of each step; 0 where the step did nothing. */
  readonly beta: Float64Array
}

/** Reduces A to tridiagonal form with reflectors H_i = I - beta v vᵀ, from the last row up. */
function tridiagonalise(a: Float64Array, n: number): Tridiagonal {
  if (a.length !== n * n) throw new RangeError(`matrix ${n} x ${n} needs ${n * n} numbers, got ${a.length}`)
  const w = Float64Array.from(a)
  const diagonal = new Float64Array(n)
  const offDiagonal = new Float64Array(n)
  const beta = new Float64Array(n)
  const p = new Float64Array(n)
  for (let i = n - 1; i > 0; i--) {
    const v = w.subarray(i * n, i * n + i)
    diagonal[i] = w[i * n + i]!
    let largest = 0
    for (let k = 0; k < i - 1; k++) largest = Math.max(largest, Math.abs(v[k]!))
    if (largest === 0) {
      offDiagonal[i - 1] = v[i - 1]!
      continue
    }
    largest = Math.max(largest, Math.abs(v[i - 1]!))
    let square = 0
    for (let k = 0; k < i; k++) {
      v[k] = v[k]! / largest
      square += v[k]! * v[k]!
    }
    const last = v[i - 1]!
    const norm = last > 0 ? -Math.sqrt(square) : Math.sqrt(square)
    offDiagonal[i - 1] = norm * largest
    v[i - 1] = last - norm
    const factor = 1 / (square - last * norm)
    beta[i] = factor
    multiplyLower(w, n, i, v, p)
    let overlap = 0
    for (let k = 0; k < i; k++) {
      p[k] = p[k]! * factor
      overlap += p[k]! * v[k]!
    }
    const half = (overlap * factor) / 2
    for (let k = 0; k < i; k++) p[k] = p[k]! - half * v[k]!
    for (let j = 0; j < i; j++) {
      const vj = v[j]!
      const pj = p[j]!
      const at = j * n
      for (let k = 0; k <= j; k++) w[at + k] = w[at + k]! - vj * p[k]! - pj * v[k]!
    }
  }
  if (n > 0) diagonal[0] = w[0]!
  return { diagonal, offDiagonal, reflectors: w, beta }
}

/** p = A v for the leading (size, size) block, given by its lower triangle. */
function multiplyLower(w: Float64Array, n: number, size: number, v: Float64Array, p: Float64Array): void {
  for (let j = 0; j < size; j++) {
    const at = j * n
    const vj = v[j]!
    let sum = w[at + j]! * vj
    for (let k = 0; k < j; k++) {
      const x = w[at + k]!
      sum += x * v[k]!
      p[k] = p[k]! + x * vj
    }
    p[j] = sum
  }
}

/** Q = H_{n-1} ... H_1, with A = Q T Qᵀ. Four columns of the identity pass through all reflectors at a time. */
function accumulate({ reflectors, beta }: Tridiagonal, n: number): Float64Array {
  const q = new Float64Array(n * n)
  const x0 = new Float64Array(n)
  const x1 = new Float64Array(n)
  const x2 = new Float64Array(n)
  const x3 = new Float64Array(n)
  const columns = [x0, x1, x2, x3]
  for (let first = 0; first < n; first += 4) {
    const width = Math.min(4, n - first)
    columns.forEach((x, c) => {
      x.fill(0)
      if (c < width) x[first + c] = 1
    })
    for (let i = first + 1; i < n; i++) {
      if (beta[i] === 0) continue
      const at = i * n
      let s0 = 0
      let s1 = 0
      let s2 = 0
      let s3 = 0
      for (let k = 0; k < i; k++) {
        const v = reflectors[at + k]!
        s0 += v * x0[k]!
        s1 += v * x1[k]!
        s2 += v * x2[k]!
        s3 += v * x3[k]!
      }
      s0 *= beta[i]!
      s1 *= beta[i]!
      s2 *= beta[i]!
      s3 *= beta[i]!
      for (let k = 0; k < i; k++) {
        const v = reflectors[at + k]!
        x0[k] = x0[k]! - s0 * v
        x1[k] = x1[k]! - s1 * v
        x2[k] = x2[k]! - s2 * v
        x3[k] = x3[k]! - s3 * v
      }
    }
    for (let c = 0; c < width; c++) for (let k = 0; k < n; k++) q[k * n + first + c] = columns[c]![k]!
  }
  return q
}

const BATCH = 8192
const MAX_SWEEPS = 60

/** Rotations of several QL sweeps, kept to be applied together. */
interface Sweeps {
  readonly cosines: Float64Array
  readonly sines: Float64Array
  /** First index, last index and position in the arrays of each sweep. */
  readonly spans: [first: number, last: number, at: number][]
  used: number
}

/** QL with implicit shifts on a tridiagonal matrix; the rotations are applied to the columns of `rows` (any count, n). */
function implicitQl(diagonal: Float64Array, offDiagonal: Float64Array, rows: Float64Array, n: number): Float64Array {
  const d = Float64Array.from(diagonal)
  const e = Float64Array.from(offDiagonal)
  const size = Math.max(BATCH, n)
  const sweeps: Sweeps = { cosines: new Float64Array(size), sines: new Float64Array(size), spans: [], used: 0 }
  let shift = 0
  let scale = 0
  for (let l = 0; l < n; l++) {
    scale = Math.max(scale, Math.abs(d[l]!) + Math.abs(e[l]!))
    const tiny = Number.EPSILON * scale
    let m = l
    while (m < n - 1 && Math.abs(e[m]!) > tiny) m++
    for (let sweep = 0; m > l && Math.abs(e[l]!) > tiny; sweep++) {
      if (sweep === MAX_SWEEPS) throw new InternalError(`the eigenvalues of a ${n} x ${n} matrix did not converge`)
      if (sweeps.used + (m - l) > size) applyRotations(sweeps, rows, n)
      shift += qlSweep(d, e, l, m, n, sweeps)
    }
    d[l] = d[l]! + shift
    e[l] = 0
  }
  applyRotations(sweeps, rows, n)
  return d
}

/** One sweep between l and m; returns the shift that was taken off. */
function qlSweep(d: Float64Array, e: Float64Array, l: number, m: number, n: number, sweeps: Sweeps): number {
  const first = d[l]!
  let p = (d[l + 1]! - first) / (2 * e[l]!)
  const signed = p < 0 ? -Math.hypot(p, 1) : Math.hypot(p, 1)
  d[l] = e[l]! / (p + signed)
  d[l + 1] = e[l]! * (p + signed)
  const next = d[l + 1]!
  const shift = first - d[l]!
  for (let i = l + 2; i < n; i++) d[i] = d[i]! - shift
  p = d[m]!
  let c = 1
  let c2 = 1
  let c3 = 1
  let s = 0
  let s2 = 0
  const coupling = e[l + 1]!
  const at = sweeps.used
  for (let i = m - 1; i >= l; i--) {
    c3 = c2
    c2 = c
    s2 = s
    const g = c * e[i]!
    const h = c * p
    const r = Math.hypot(p, e[i]!)
    e[i + 1] = s * r
    s = e[i]! / r
    c = p / r
    p = c * d[i]! - s * g
    d[i + 1] = h + s * (c * g + s * d[i]!)
    sweeps.cosines[sweeps.used] = c
    sweeps.sines[sweeps.used++] = s
  }
  p = (-s * s2 * c3 * coupling * e[l]!) / next
  e[l] = s * p
  d[l] = c * p
  sweeps.spans.push([m - 1, l, at])
  return shift
}

function applyRotations(sweeps: Sweeps, rows: Float64Array, n: number): void {
  const count = n === 0 ? 0 : rows.length / n
  let r = 0
  for (; r + 3 < count; r += 4) for (const span of sweeps.spans) rotateFour(sweeps, span, rows, r * n, n)
  for (; r < count; r++) for (const span of sweeps.spans) rotateOne(sweeps, span, rows, r * n)
  sweeps.spans.length = 0
  sweeps.used = 0
}

function rotateOne(
  sweeps: Sweeps,
  [first, last, at]: readonly [number, number, number],
  z: Float64Array,
  row: number,
): void {
  let carry = z[row + first + 1]!
  for (let i = first, k = at; i >= last; i--, k++) {
    const c = sweeps.cosines[k]!
    const s = sweeps.sines[k]!
    const x = z[row + i]!
    z[row + i + 1] = s * x + c * carry
    carry = c * x - s * carry
  }
  z[row + last] = carry
}

function rotateFour(
  sweeps: Sweeps,
  [first, last, at]: readonly [number, number, number],
  z: Float64Array,
  row: number,
  n: number,
): void {
  const { cosines, sines } = sweeps
  const r1 = row + n
  const r2 = r1 + n
  const r3 = r2 + n
  let a0 = z[row + first + 1]!
  let a1 = z[r1 + first + 1]!
  let a2 = z[r2 + first + 1]!
  let a3 = z[r3 + first + 1]!
  for (let i = first, k = at; i >= last; i--, k++) {
    const c = cosines[k]!
    const s = sines[k]!
    const x0 = z[row + i]!
    const x1 = z[r1 + i]!
    const x2 = z[r2 + i]!
    const x3 = z[r3 + i]!
    z[row + i + 1] = s * x0 + c * a0
    z[r1 + i + 1] = s * x1 + c * a1
    z[r2 + i + 1] = s * x2 + c * a2
    z[r3 + i + 1] = s * x3 + c * a3
    a0 = c * x0 - s * a0
    a1 = c * x1 - s * a1
    a2 = c * x2 - s * a2
    a3 = c * x3 - s * a3
  }
  z[row + last] = a0
  z[r1 + last] = a1
  z[r2 + last] = a2
  z[r3 + last] = a3
}

/** Eigenvalues ascending, and the columns of `rows` (count, n) in the same order. */
function sorted(values: Float64Array, rows: Float64Array, n: number, count: number): Eigen {
  const order = Array.from(values, (_, i) => i).sort((i, j) => values[i]! - values[j]!)
  const vectors = new Float64Array(count * n)
  for (let r = 0; r < count; r++) for (let j = 0; j < n; j++) vectors[r * n + j] = rows[r * n + order[j]!]!
  return { values: Float64Array.from(order, (i) => values[i]!), vectors }
}
