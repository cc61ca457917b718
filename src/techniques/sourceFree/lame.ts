/** LAME: predictions of a batch made to agree with those of like samples, the network untouched. */
import { UsageError } from '../../base/errors.js'
import { type Matrix, matrix, row, softmaxRows } from '../../base/matrix.js'
import { logarithms } from './labelShift.js'
import type { OpenStreamMethod, StreamMethod } from './method.js'

export interface LameOptions {
  /** knn: 1 for each of the nearest samples, else 0. rbf: exp(-d² / 2 s²), s the mean distance to the last of the nearest. @default 'knn' */
  readonly affinity?: 'knn' | 'rbf' | undefined
  /** How many are nearest. @default 5 */
  readonly neighbours?: number | undefined
  /** It ends where the objective changes by less than this share of itself. @default 1e-8 */
  readonly tolerance?: number | undefined
  /** @default 100 */
  readonly iterations?: number | undefined
}

/** Added to a probability before its logarithm is taken. */
const TINY = 1e-10

/**
 * Laplacian adjusted maximum-likelihood estimation: the assignments z_n on the simplex that minimise
 *
 *   sum over n of KL(z_n | p_n) - sum over n, m of w_nm z_n . z_m
 *
 * by the concave-convex procedure z_n <- softmax(log p_n + sum over m of w_nm z_m), from z = p on (Boudiaf, Mueller, Ben Ayed and
 * Bertinetto 2022, "Parameter-free Online Test-time Adaptation", arXiv:2201.05718). Features are compared by the Euclidean distance
 * of their directions. It gains where samples of a class come together, and can lose where they come mixed.
 *
 * @param probabilities p, (N, C)
 * @param features (N, D)
 * @returns z, (N, C)
 */
export function lameAssignments(probabilities: Matrix, features: Matrix, options: LameOptions = {}): Matrix {
  const { rows, columns } = probabilities
  if (features.rows !== rows)
    throw new RangeError(`lame: ${rows} rows of probabilities and ${features.rows} of features`)
  const { tolerance = 1e-8, iterations = 100 } = options
  const weights = affinities(features, options)
  const unary = Float64Array.from(probabilities.data, (p) => Math.log(p + TINY))
  let z = softmaxOf(unary, rows, columns)
  let before = Number.POSITIVE_INFINITY
  for (let i = 0; i < iterations; i++) {
    const pull = new Float64Array(rows * columns)
    for (let n = 0; n < rows; n++)
      for (let m = 0; m < rows; m++) {
        const w = weights[n * rows + m]!
        if (w === 0) continue
        for (let c = 0; c < columns; c++) pull[n * columns + c] = pull[n * columns + c]! + w * z[m * columns + c]!
      }
    z = softmaxOf(
      unary.map((u, j) => u + pull[j]!),
      rows,
      columns,
    )
    let energy = 0
    for (let j = 0; j < z.length; j++) energy += z[j]! * (Math.log(Math.max(z[j]!, 1e-20)) - unary[j]! - pull[j]!)
    if (i > 1 && Math.abs(energy - before) <= tolerance * Math.abs(before)) break
    before = energy
  }
  return matrix(rows, columns, Float32Array.from(z))
}

function affinities(features: Matrix, { affinity = 'knn', neighbours = 5 }: LameOptions): Float64Array {
  const { rows } = features
  const squares = squaredDistances(features)
  const weights = new Float64Array(rows * rows)
  // A sample is its own nearest.
  const k = Math.min(neighbours + 1, rows)
  const order = (n: number) =>
    Array.from({ length: rows }, (_, m) => m).sort((a, b) => {
      const far = (m: number) => (m === n ? -1 : squares[n * rows + m]!)
      return far(a) - far(b) || a - b
    })
  if (affinity === 'knn') {
    for (let n = 0; n < rows; n++) for (const m of order(n).slice(1, k)) weights[n * rows + m] = 1
    return weights
  }
  let spread = 0
  for (let n = 0; n < rows; n++) spread += Math.sqrt(squares[n * rows + order(n)[k - 1]!]!) / rows
  for (let j = 0; j < weights.length; j++) weights[j] = spread > 0 ? Math.exp(-squares[j]! / (2 * spread ** 2)) : 0
  return weights
}

/** Of the directions of the rows: 2 - 2 cos. */
function squaredDistances(features: Matrix): Float64Array {
  const { rows, columns } = features
  const units = Array.from({ length: rows }, (_, n) => {
    const own = row(features, n)
    const length = Math.sqrt(own.reduce((sum, v) => sum + v * v, 0))
    return Float64Array.from(own, (v) => v / Math.max(length, 1e-12))
  })
  const squares = new Float64Array(rows * rows)
  for (let n = 0; n < rows; n++)
    for (let m = 0; m < n; m++) {
      let square = 0
      for (let d = 0; d < columns; d++) square += (units[n]![d]! - units[m]![d]!) ** 2
      squares[n * rows + m] = square
      squares[m * rows + n] = square
    }
  return squares
}

function softmaxOf(logits: Float64Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(logits.length)
  for (let n = 0; n < rows; n++) {
    const own = logits.subarray(n * columns, (n + 1) * columns)
    const top = own.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
    const powers = own.map((v) => Math.exp(v - top))
    const total = powers.reduce((a, b) => a + b, 0)
    out.set(
      powers.map((p) => p / total),
      n * columns,
    )
  }
  return out
}

/** `lameAssignments` of each batch by itself. No weight changes, and nothing is kept between batches. */
export function lame(options: LameOptions = {}): StreamMethod {
  const { affinity = 'knn', neighbours = 5 } = options
  if (!(Number.isInteger(neighbours) && neighbours >= 1))
    throw new UsageError(`lame: neighbours is ${neighbours}; expected a whole number of at least 1.`)
  return {
    name: 'lame',
    title: 'LAME',
    paper: 'Boudiaf, Mueller, Ben Ayed and Bertinetto 2022, arXiv:2201.05718',
    options: { affinity, neighbours },
    needs: ['features'],
    regime: 'skewed',
    async open(): Promise<OpenStreamMethod> {
      return {
        async answer(_, { logits, features }, learn) {
          if (!learn || features === undefined) return { logits, learnt: false }
          return { logits: logarithms(lameAssignments(softmaxRows(logits), features, options)), learnt: true }
        },
        reset: async () => undefined,
        release: async () => undefined,
      }
    },
  }
}
