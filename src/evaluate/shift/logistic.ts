/**
 * Logistic regression of two groups, for telling domains apart: minimises sum_i log(1 + exp(-y_i (w . x_i + b))) + |w|² / 2C by
 * Newton's method (iteratively reweighted least squares), the intercept unpenalised; scikit-learn's objective.
 */
import { cholesky, solveCholesky } from '../../base/linearAlgebra.js'
import { type Matrix, row } from '../../base/matrix.js'

export interface Logistic {
  /** (D) */
  readonly weight: Float64Array
  readonly bias: number
}

export interface LogisticOptions {
  /** C, the inverse strength of the penalty. @default 1 */
  readonly c?: number
}

const ROUNDS = 50

/** @param positive 1 for the group whose probability is modelled, 0 for the other, (N). */
export function fitLogistic(x: Matrix, positive: ArrayLike<number>, options: LogisticOptions = {}): Logistic {
  const { c = 1 } = options
  const d = x.columns
  const size = d + 1
  let theta = new Float64Array(size)
  let value = objective(x, positive, theta, c)
  for (let round = 0; round < ROUNDS; round++) {
    const gradient = new Float64Array(size)
    const hessian = new Float64Array(size * size)
    for (let i = 0; i < x.rows; i++) {
      const r = row(x, i)
      const p = sigmoid(score(r, theta))
      const error = p - positive[i]!
      const curvature = p * (1 - p)
      for (let a = 0; a < size; a++) {
        const xa = a < d ? r[a]! : 1
        gradient[a] = gradient[a]! + error * xa
        const scaled = curvature * xa
        for (let b = 0; b < Math.min(a + 1, d); b++) hessian[a * size + b] = hessian[a * size + b]! + scaled * r[b]!
      }
      hessian[d * size + d] = hessian[d * size + d]! + curvature
    }
    for (let a = 0; a < d; a++) {
      gradient[a] = gradient[a]! + theta[a]! / c
      hessian[a * size + a] = hessian[a * size + a]! + 1 / c
    }
    // Where every probability has become 0 or 1 the intercept has no curvature left.
    hessian[d * size + d] = hessian[d * size + d]! + 1e-9
    const step = solveCholesky(cholesky(hessian, size), size, gradient)
    let slope = 0
    for (let a = 0; a < size; a++) slope += step[a]! * gradient[a]!
    let length = 1
    let next = theta
    let nextValue = value
    for (let half = 0; half < 30; half++, length /= 2) {
      next = theta.map((t, a) => t - length * step[a]!)
      nextValue = objective(x, positive, next, c)
      if (nextValue <= value - 1e-4 * length * slope) break
    }
    const gain = value - nextValue
    if (!(gain > 0)) break
    theta = next
    value = nextValue
    if (gain <= 1e-12 * Math.max(1, value)) break
  }
  return { weight: theta.slice(0, d), bias: theta[d]! }
}

/** Probability of the positive group for each row. */
export function logisticProbabilities(x: Matrix, { weight, bias }: Logistic): Float64Array {
  const theta = Float64Array.from([...weight, bias])
  return Float64Array.from({ length: x.rows }, (_, i) => sigmoid(score(row(x, i), theta)))
}

function score(x: Float32Array, theta: Float64Array): number {
  let sum = theta[x.length]!
  for (let j = 0; j < x.length; j++) sum += x[j]! * theta[j]!
  return sum
}

function sigmoid(z: number): number {
  return z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z))
}

function objective(x: Matrix, positive: ArrayLike<number>, theta: Float64Array, c: number): number {
  let sum = 0
  for (let i = 0; i < x.rows; i++) {
    const z = score(row(x, i), theta)
    const margin = positive[i]! > 0 ? z : -z
    sum += margin > 0 ? Math.log1p(Math.exp(-margin)) : -margin + Math.log1p(Math.exp(margin))
  }
  for (let j = 0; j < theta.length - 1; j++) sum += theta[j]! ** 2 / (2 * c)
  return sum
}
