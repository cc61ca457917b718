/**
 * Ridge regression in closed form (Hoerl and Kennard 1970): min over W (C, D), b of sum_i s_i |y_i - W x_i - b|² + lambda |W|²,
 * b not penalised. The squared error of leave-one-out comes without refitting from the hat matrix H:
 * e_i = (y_i - f_i) / (1 - h_ii) (Allen 1974, PRESS).
 */
import { cholesky, solveCholesky } from '../../base/linearAlgebra.js'
import { type Matrix, matrix, row } from '../../base/matrix.js'
import type { Engine } from '../../runtime/engine.js'
import type { LinearHead } from './classifier.js'
import { principalSpace } from './principalSpace.js'
import { gramThroughEngine } from './products.js'

/** Candidates for lambda: 10^-2, 10^-1.5, ..., 10^6. */
export const RIDGE_PENALTIES = Array.from({ length: 17 }, (_, i) => 10 ** (-2 + i / 2))
/** Samples that the penalty is chosen on, where both samples and features are more: the eigenproblem grows with the cube. */
export const RIDGE_SEARCH_SAMPLES = 800

export interface LeaveOneOut {
  readonly penalty: number
  readonly head: LinearHead
  /** Outputs for each sample by the model without it, (N, C). */
  readonly logits: Matrix
}

/** Centres, weighs the rows by sqrt(s) and solves in the principal space, where every penalty costs N R C. */
export function leaveOneOut(x: Matrix, y: Matrix, s: Float64Array, penalties: readonly number[]): LeaveOneOut {
  const classes = y.columns
  const total = s.reduce((a, b) => a + b, 0)
  const xMean = weightedMean(x, s, total)
  const yMean = weightedMean(y, s, total)
  const space = principalSpace(weighed(x, s, xMean))
  const z = space.features
  const yw = weighed(y, s, yMean)
  const rank = z.columns
  const eigen = new Float64Array(rank)
  const projected = new Float64Array(rank * classes)
  for (let i = 0; i < z.rows; i++)
    for (let r = 0; r < rank; r++) {
      const v = z.data[i * rank + r]!
      eigen[r] = eigen[r]! + v * v
      for (let c = 0; c < classes; c++)
        projected[r * classes + c] = projected[r * classes + c]! + v * yw.data[i * classes + c]!
    }

  const scores = (penalty: number) => {
    const logits = matrix(z.rows, classes)
    const beta = projected.map((v, k) => v / (eigen[Math.floor(k / classes)]! + penalty))
    let error = 0
    const fitted = new Float64Array(classes)
    for (let i = 0; i < z.rows; i++) {
      let leverage = s[i]! / total
      fitted.fill(0)
      for (let r = 0; r < rank; r++) {
        const v = z.data[i * rank + r]!
        leverage += (v * v) / (eigen[r]! + penalty)
        for (let c = 0; c < classes; c++) fitted[c] = fitted[c]! + v * beta[r * classes + c]!
      }
      const root = Math.sqrt(s[i]!)
      for (let c = 0; c < classes; c++) {
        const residual = (yw.data[i * classes + c]! - fitted[c]!) / Math.max(1 - leverage, 1e-12)
        error += residual * residual
        logits.data[i * classes + c] = root > 0 ? y.data[i * classes + c]! - residual / root : yMean[c]! + fitted[c]!
      }
    }
    return { penalty, error, logits, beta }
  }
  const best = penalties.map(scores).reduce((a, b) => (b.error < a.error ? b : a))
  const inSpace = matrix(classes, rank)
  for (let r = 0; r < rank; r++)
    for (let c = 0; c < classes; c++) inSpace.data[c * rank + r] = best.beta[r * classes + c]!
  return {
    penalty: best.penalty,
    logits: best.logits,
    head: withBias(space.expand(inSpace), xMean, yMean),
  }
}

/** The normal equations over every sample. */
export async function solveRidge(
  x: Matrix,
  y: Matrix,
  s: Float64Array,
  penalty: number,
  { engine, signal }: { readonly engine: Engine; readonly signal?: AbortSignal | undefined },
): Promise<LinearHead> {
  const classes = y.columns
  const d = x.columns
  const total = s.reduce((a, b) => a + b, 0)
  const xMean = weightedMean(x, s, total)
  const yMean = weightedMean(y, s, total)
  const xw = weighed(x, s, xMean)
  const yw = weighed(y, s, yMean)
  const a = await gramThroughEngine(engine, xw, signal)
  for (let j = 0; j < d; j++) a[j * d + j] = a[j * d + j]! + penalty
  const right = new Float64Array(d * classes)
  for (let i = 0; i < x.rows; i++)
    for (let j = 0; j < d; j++) {
      const v = xw.data[i * d + j]!
      for (let c = 0; c < classes; c++) right[j * classes + c] = right[j * classes + c]! + v * yw.data[i * classes + c]!
    }
  const solution = solveCholesky(cholesky(a, d), d, right, classes)
  const weight = matrix(classes, d)
  for (let j = 0; j < d; j++) for (let c = 0; c < classes; c++) weight.data[c * d + j] = solution[j * classes + c]!
  return withBias(weight, xMean, yMean)
}

function withBias(weight: Matrix, xMean: Float64Array, yMean: Float64Array): LinearHead {
  const bias = Float32Array.from(
    { length: weight.rows },
    (_, c) => yMean[c]! - row(weight, c).reduce((sum, w, j) => sum + w * xMean[j]!, 0),
  )
  return { weight, bias }
}

function weightedMean(m: Matrix, s: Float64Array, total: number): Float64Array {
  const mean = new Float64Array(m.columns)
  for (let i = 0; i < m.rows; i++)
    for (let j = 0; j < m.columns; j++) mean[j] = mean[j]! + (s[i]! / total) * m.data[i * m.columns + j]!
  return mean
}

/** sqrt(s_i) (m_i - mean). */
function weighed(m: Matrix, s: Float64Array, mean: Float64Array): Matrix {
  const out = matrix(m.rows, m.columns)
  for (let i = 0; i < m.rows; i++) {
    const root = Math.sqrt(s[i]!)
    for (let j = 0; j < m.columns; j++) out.data[i * m.columns + j] = root * (m.data[i * m.columns + j]! - mean[j]!)
  }
  return out
}
