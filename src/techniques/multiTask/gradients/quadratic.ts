/**
 * Small convex quadratic programs over non-negative numbers, exact to rounding: what methods that combine a handful of gradients
 * solve at each step.
 */
import { InternalError } from '../../../base/errors.js'

/** Added to the diagonal, relative to its largest entry: gradients may be parallel. */
const RIDGE = 1e-10
/** A multiplier above -TOLERANCE (relative) is no reason to go on. */
const TOLERANCE = 1e-10

export interface QuadraticProgram {
  /** Q (n, n), symmetric and positive semi-definite, row by row. */
  readonly quadratic: Float64Array
  /** b (n). @default 0 */
  readonly linear?: ArrayLike<number>
  /** The numbers sum to 1. @default they are free */
  readonly simplex?: boolean
}

/**
 * min over x >= 0 (and sum x = 1 where asked for) of x Q x / 2 + b x, by a primal active set (Nocedal and Wright 2006, 16.5): the
 * free numbers are solved for, the first that would turn negative is held at 0, and a held one whose multiplier is negative is
 * let go.
 */
export function solveQuadratic({ quadratic, linear, simplex = false }: QuadraticProgram): Float64Array {
  const n = Math.round(Math.sqrt(quadratic.length))
  const scale = Math.max(...Array.from({ length: n }, (_, i) => quadratic[i * n + i]!), Number.MIN_VALUE)
  const q = Float64Array.from(quadratic, (value, at) => value / scale + (Math.floor(at / n) === at % n ? RIDGE : 0))
  const b = Float64Array.from({ length: n }, (_, i) => (linear?.[i] ?? 0) / scale)
  const x = new Float64Array(n)
  const free = new Array<boolean>(n).fill(false)
  if (simplex) {
    x[0] = 1
    free[0] = true
  }
  const size = Math.max(1, ...b.map(Math.abs))
  for (let round = 0; round < 100 * n + 100; round++) {
    const list = [...free.keys()].filter((i) => free[i])
    const { solution, price } = equalities(q, b, n, list, simplex)
    const step = list.reduce(
      (shortest, i, k) => (solution[k]! < 0 ? Math.min(shortest, x[i]! / (x[i]! - solution[k]!)) : shortest),
      1,
    )
    list.forEach((i, k) => {
      x[i] = x[i]! + step * (solution[k]! - x[i]!)
    })
    if (step < 1) {
      // The one that reached 0 is held; rounding must not leave it just above.
      const blocked = list.filter((i, k) => solution[k]! < 0 && x[i]! <= 1e-15)
      for (const i of blocked.length > 0 ? blocked : [list.reduce((a, i) => (x[i]! < x[a]! ? i : a))]) {
        x[i] = 0
        free[i] = false
      }
      continue
    }
    let worst = -1
    let least = -TOLERANCE * size
    for (let i = 0; i < n; i++) {
      if (free[i]) continue
      let multiplier = b[i]! - price
      for (let j = 0; j < n; j++) multiplier += q[i * n + j]! * x[j]!
      if (multiplier < least) {
        least = multiplier
        worst = i
      }
    }
    if (worst < 0) return x
    free[worst] = true
  }
  throw new InternalError(`a quadratic program of ${n} numbers did not end`)
}

/** The minimum over the free numbers alone, and the multiplier of their sum. */
function equalities(
  q: Float64Array,
  b: Float64Array,
  n: number,
  list: readonly number[],
  simplex: boolean,
): { solution: Float64Array; price: number } {
  const m = list.length
  if (m === 0) return { solution: new Float64Array(0), price: 0 }
  const size = m + (simplex ? 1 : 0)
  const a = new Float64Array(size * size)
  const right = new Float64Array(size)
  list.forEach((i, r) => {
    list.forEach((j, c) => {
      a[r * size + c] = q[i * n + j]!
    })
    right[r] = -b[i]!
    if (!simplex) return
    a[r * size + m] = 1
    a[m * size + r] = 1
  })
  if (simplex) right[m] = 1
  const found = solveLinear(a, right)
  return { solution: found.subarray(0, m), price: simplex ? -found[m]! : 0 }
}

/** x with A x = b, by elimination with partial pivoting; a column without a pivot gets 0. */
export function solveLinear(matrix: Float64Array, right: Float64Array): Float64Array {
  const n = right.length
  const a = Float64Array.from(matrix)
  const b = Float64Array.from(right)
  const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const usable = new Array<boolean>(n).fill(true)
  for (let column = 0; column < n; column++) {
    let pivot = column
    for (let r = column + 1; r < n; r++) if (Math.abs(a[r * n + column]!) > Math.abs(a[pivot * n + column]!)) pivot = r
    if (Math.abs(a[pivot * n + column]!) <= 1e-14 * largest) {
      usable[column] = false
      continue
    }
    for (let c = 0; c < n; c++) [a[column * n + c], a[pivot * n + c]] = [a[pivot * n + c]!, a[column * n + c]!]
    ;[b[column], b[pivot]] = [b[pivot]!, b[column]!]
    for (let r = column + 1; r < n; r++) {
      const factor = a[r * n + column]! / a[column * n + column]!
      if (factor === 0) continue
      for (let c = column; c < n; c++) a[r * n + c]! -= factor * a[column * n + c]!
      b[r]! -= factor * b[column]!
    }
  }
  const x = new Float64Array(n)
  for (let r = n - 1; r >= 0; r--) {
    if (!usable[r]) continue
    let sum = b[r]!
    for (let c = r + 1; c < n; c++) sum -= a[r * n + c]! * x[c]!
    x[r] = sum / a[r * n + r]!
  }
  return x
}
