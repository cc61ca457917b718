/**
 * The path of a penalised regression from the strongest penalty to the weakest, under cross-validation: every fold of every
 * repeat is one problem, all of them advance together and start at each penalty from where the last one ended.
 */
import { type Matrix, matrix } from '../../base/matrix.js'
import { type LbfgsResult, lbfgsMany, type Vector } from '../../optim/lbfgs.js'
import type { RegressionProblems } from './regressionProblems.js'

/** Rounding of the mean loss in single precision. */
export const NOISE = 1e-6
/** Consecutive penalties that are clearly worse than the best before the path is left. */
const PATIENCE = 2

/** One fold of one repeat: what is held out, and the weights of the samples that train. */
export interface HeldOut {
  readonly repeat: number
  readonly rows: Int32Array
  readonly training: Float64Array
}

/** Logits of the held-out samples, and what they are worth. */
export interface Judged {
  /** Loss of each held-out sample, mean over repeats. */
  readonly losses: Float64Array
  readonly temperature: number
  /** Accuracy or the like, for people. */
  readonly score: number
}

export interface PathCandidate extends Judged {
  readonly penalty: number
  /** Weighted mean of the losses. */
  readonly loss: number
  /** (repeats * rows, C), repeat after repeat. */
  readonly logits: Matrix
  /** Mean of the folds' solutions: where a final fit starts. */
  readonly start: Float32Array
}

export interface PathOptions {
  readonly held: readonly HeldOut[]
  /** Positions that are held out once in every repeat, ascending. */
  readonly rows: Int32Array
  readonly repeats: number
  readonly samples: number
  readonly outputs: number
  readonly weights: Float64Array
  readonly penalties: readonly number[]
  readonly tolerance: number
  /** The problems of the folds, in the order of `held`. */
  readonly problems: Pick<RegressionProblems, 'evaluate'>
  /** Where each problem starts. */
  readonly starts: readonly Vector[]
  /** Logits (rows, C) of a solution for samples. */
  readonly logitsOf: (rows: Int32Array, point: Vector) => Float32Array
  /** @param logits (repeats * rows, C) */
  readonly judge: (logits: Matrix) => Judged
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((done: number) => void) | undefined
}

/** One candidate a penalty, strongest first; ends early once weaker penalties are clearly worse. */
export async function penaltyPath(options: PathOptions): Promise<PathCandidate[]> {
  const { held, problems, weights, rows } = options
  let points: readonly Vector[] = options.starts
  const candidates: PathCandidate[] = []
  const penalties = [...options.penalties].sort((a, b) => b - a)
  for (const [step, penalty] of penalties.entries()) {
    const results = await lbfgsMany((which, at) => problems.evaluate(which, at, penalty), points, {
      tolerance: options.tolerance,
      noise: NOISE,
      maxIterations: 500,
      signal: options.signal,
    })
    points = results.map((r) => r.x)
    const logits = heldOutLogits(options, held, results)
    const judged = options.judge(logits)
    const loss = weightedMean(judged.losses, rows, weights)
    candidates.push({ ...judged, penalty, loss, logits, start: meanPoint(points) })
    options.onProgress?.((step + 1) / penalties.length)
    if (leftBehind(candidates, rows, weights)) break
  }
  return candidates
}

/** The positions that a fold (0 or more) and a weight above 0 hold out. */
export function heldOutPositions(fold: Int32Array, weights: Float64Array): Int32Array {
  return Int32Array.from(fold.keys()).filter((i) => fold[i]! >= 0 && weights[i]! > 0)
}

/** One problem a fold a repeat; folds without samples are left out. */
export function heldOutFolds(splits: readonly Int32Array[], folds: number, weights: Float64Array): HeldOut[] {
  return splits.flatMap((fold, repeat) =>
    Array.from({ length: folds }, (_, k) => ({
      repeat,
      rows: Int32Array.from(fold.keys()).filter((i) => fold[i] === k),
      training: weights.map((w, i) => (fold[i] === k ? 0 : w)),
    })).filter((h) => h.rows.length > 0),
  )
}

/** Logits of every held-out sample from the model that had not seen it, repeat after repeat. */
function heldOutLogits(
  { rows, repeats, samples, outputs, logitsOf }: PathOptions,
  held: readonly HeldOut[],
  results: readonly LbfgsResult[],
): Matrix {
  const place = new Int32Array(samples).fill(-1)
  rows.forEach((i, r) => {
    place[i] = r
  })
  const out = matrix(repeats * rows.length, outputs)
  held.forEach((h, k) => {
    const logits = logitsOf(h.rows, results[k]!.x)
    h.rows.forEach((i, r) => {
      if (place[i]! >= 0)
        out.data.set(logits.subarray(r * outputs, (r + 1) * outputs), (h.repeat * rows.length + place[i]!) * outputs)
    })
  })
  return out
}

export function weightedMean(values: Float64Array, rows: Int32Array, weights: Float64Array): number {
  let sum = 0
  let total = 0
  values.forEach((value, r) => {
    sum += weights[rows[r]!]! * value
    total += weights[rows[r]!]!
  })
  return sum / total
}

/** Standard error of the weighted mean difference of two lists of losses, sample by sample. */
export function differenceError(a: Float64Array, b: Float64Array, rows: Int32Array, weights: Float64Array): number {
  const mean = weightedMean(a, rows, weights) - weightedMean(b, rows, weights)
  let sum = 0
  let total = 0
  a.forEach((value, r) => {
    const w = weights[rows[r]!]!
    sum += (w * (value - b[r]! - mean)) ** 2
    total += w
  })
  return Math.sqrt(sum) / total
}

export const bestOf = <T extends { readonly loss: number }>(candidates: readonly T[]): T =>
  candidates.reduce((best, c) => (c.loss < best.loss ? c : best))

/** Whether the last penalties were all clearly worse than the best. */
function leftBehind(candidates: readonly PathCandidate[], rows: Int32Array, weights: Float64Array): boolean {
  const best = bestOf(candidates)
  const after = candidates.slice(candidates.indexOf(best) + 1)
  return (
    after.length >= PATIENCE &&
    after.slice(-PATIENCE).every((c) => c.loss > best.loss + differenceError(c.losses, best.losses, rows, weights))
  )
}

function meanPoint(points: readonly Vector[]): Float32Array {
  const mean = new Float32Array(points[0]!.length)
  for (const point of points) for (let j = 0; j < mean.length; j++) mean[j] = mean[j]! + point[j]! / points.length
  return mean
}
