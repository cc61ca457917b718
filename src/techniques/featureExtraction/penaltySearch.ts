/**
 * The penalty of a linear probe by repeated stratified cross-validation along a path from the strongest penalty to the
 * weakest, each solved from the solution of the last. All folds of all repeats advance together.
 *
 * Penalties are compared by the log-loss of the held-out samples after one temperature for all of them (Guo et al. 2017):
 * a strong penalty only shrinks the logits, which a temperature undoes, so that this loss asks how well the classes are told
 * apart, with far less noise than the accuracy of a few samples. The penalty with the lowest loss is taken.
 */
import { type Matrix, matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { type LbfgsResult, lbfgsMany, type Vector } from '../../optim/lbfgs.js'
import type { Engine } from '../../runtime/engine.js'
import { stratifiedFolds } from './folds.js'
import { heldOutTemperature } from './outOfFold.js'
import { pointLogits, softmaxProblems } from './softmaxProblems.js'

/** Rounding of the mean loss in single precision. */
export const NOISE = 1e-6
/** Consecutive penalties that are clearly worse than the best before the path is left. */
const PATIENCE = 2

export interface PenaltyScore {
  readonly penalty: number
  /** Mean log-loss of the held-out samples at `temperature`. */
  readonly loss: number
  readonly temperature: number
  /** Weighted share of the held-out samples that is classified right, over all repeats. */
  readonly accuracy: number
  /** Standard error of the difference to the best penalty's loss, over samples: what the choice is worth. */
  readonly lossError: number
}

export interface PenaltySearch {
  readonly chosen: PenaltyScore
  readonly path: readonly PenaltyScore[]
  /** Positions that were held out, ascending. */
  readonly rows: Int32Array
  /** Logits of the held-out rows at the chosen penalty, first repeat, not tempered: (rows, C). */
  readonly logits: Matrix
  /** Mean of the folds' solutions at the chosen penalty: where the final fit starts. */
  readonly start: Float32Array
}

export interface PenaltySearchOptions {
  readonly engine: Engine
  readonly random: Random
  readonly features: Matrix
  readonly labels: Int32Array
  readonly targets: Matrix
  readonly weights: Float64Array
  readonly penalties: readonly number[]
  readonly folds: number
  readonly repeats: number
  readonly tolerance: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((done: number) => void) | undefined
}

/** Undefined where nothing can be held out: every class has one sample. */
export async function searchPenalty(options: PenaltySearchOptions): Promise<PenaltySearch | undefined> {
  const { features, labels, targets, weights, random, signal } = options
  const classes = targets.columns
  const splits = Array.from({ length: options.repeats }, (_, repeat) =>
    stratifiedFolds(labels, classes, options.folds, random.fork('folds', repeat)),
  )
  const rows = Int32Array.from(splits[0]!.keys()).filter((i) => splits[0]![i]! >= 0 && weights[i]! > 0)
  if (rows.length === 0) return undefined
  const held = heldOut(splits, options.folds, weights)
  const problems = await softmaxProblems({ ...options, weights: held.map((h) => h.training) })
  try {
    const size = classes * (features.columns + 1)
    let points: Vector[] = held.map(() => new Float32Array(size))
    const candidates: Candidate[] = []
    const penalties = [...options.penalties].sort((a, b) => b - a)
    for (const [step, penalty] of penalties.entries()) {
      const results = await lbfgsMany((which, at) => problems.evaluate(which, at, penalty), points, {
        tolerance: options.tolerance,
        noise: NOISE,
        maxIterations: 500,
        signal,
      })
      points = results.map((r) => r.x)
      const logits = heldOutLogits(held, results, features, splits.length, classes)
      candidates.push(score(penalty, logits, rows, splits.length, labels, weights, meanPoint(points)))
      options.onProgress?.((step + 1) / penalties.length)
      if (leftBehind(candidates, weights)) break
    }
    return choose(candidates, rows, weights)
  } finally {
    await problems.release()
  }
}

interface HeldOut {
  readonly repeat: number
  readonly rows: Int32Array
  readonly training: Float64Array
}

/** One problem a fold a repeat; folds without samples are left out. */
function heldOut(splits: readonly Int32Array[], folds: number, weights: Float64Array): HeldOut[] {
  return splits.flatMap((fold, repeat) =>
    Array.from({ length: folds }, (_, k) => ({
      repeat,
      rows: Int32Array.from(fold.keys()).filter((i) => fold[i] === k),
      training: weights.map((w, i) => (fold[i] === k ? 0 : w)),
    })).filter((h) => h.rows.length > 0),
  )
}

/** Logits of every sample from the model that had not seen it: a (N, C) matrix a repeat. */
function heldOutLogits(
  held: readonly HeldOut[],
  results: readonly LbfgsResult[],
  features: Matrix,
  repeats: number,
  classes: number,
): Matrix[] {
  const out = Array.from({ length: repeats }, () => matrix(features.rows, classes))
  held.forEach((h, k) => {
    const logits = pointLogits(features, h.rows, results[k]!.x, classes)
    h.rows.forEach((i, r) => {
      out[h.repeat]!.data.set(logits.subarray(r * classes, (r + 1) * classes), i * classes)
    })
  })
  return out
}

interface Candidate extends Omit<PenaltyScore, 'lossError'> {
  /** Loss of each held-out sample, mean over repeats. */
  readonly losses: Float64Array
  readonly logits: Matrix
  readonly rows: Int32Array
  readonly start: Float32Array
}

function score(
  penalty: number,
  repeats: readonly Matrix[],
  rows: Int32Array,
  count: number,
  labels: Int32Array,
  weights: Float64Array,
  start: Float32Array,
): Candidate {
  const classes = repeats[0]!.columns
  const stacked = matrix(rows.length * count, classes)
  const truth = new Int32Array(rows.length * count)
  repeats.forEach((logits, repeat) => {
    rows.forEach((i, r) => {
      const at = repeat * rows.length + r
      stacked.data.set(logits.data.subarray(i * classes, (i + 1) * classes), at * classes)
      truth[at] = labels[i]!
    })
  })
  const temperature = heldOutTemperature(stacked, truth, 'as is')
  const losses = new Float64Array(rows.length)
  let right = 0
  let total = 0
  for (let at = 0; at < truth.length; at++) {
    const r = at % rows.length
    const z = stacked.data.subarray(at * classes, (at + 1) * classes)
    const own = z[truth[at]!]!
    let max = Number.NEGATIVE_INFINITY
    let best = 0
    z.forEach((value, c) => {
      if (value > max) {
        max = value
        best = c
      }
    })
    let sum = 0
    for (const value of z) sum += Math.exp((value - max) / temperature)
    losses[r] = losses[r]! + (Math.log(sum) + (max - own) / temperature) / count
    const w = weights[rows[r]!]!
    total += w
    if (best === truth[at]) right += w
  }
  const first = matrix(rows.length, classes, stacked.data.slice(0, rows.length * classes))
  const loss = weightedMean(losses, rows, weights)
  return { penalty, temperature, accuracy: right / total, loss, losses, logits: first, rows, start }
}

function weightedMean(values: Float64Array, rows: Int32Array, weights: Float64Array): number {
  let sum = 0
  let total = 0
  values.forEach((value, r) => {
    sum += weights[rows[r]!]! * value
    total += weights[rows[r]!]!
  })
  return sum / total
}

/** Standard error of the mean difference of two candidates' losses, sample by sample. */
function differenceError(a: Candidate, b: Candidate, weights: Float64Array): number {
  const mean = a.loss - b.loss
  let sum = 0
  let total = 0
  a.losses.forEach((value, r) => {
    const w = weights[a.rows[r]!]!
    sum += (w * (value - b.losses[r]! - mean)) ** 2
    total += w
  })
  return Math.sqrt(sum) / total
}

const bestOf = (candidates: readonly Candidate[]) => candidates.reduce((best, c) => (c.loss < best.loss ? c : best))

/** Whether the last penalties were all clearly worse than the best. */
function leftBehind(candidates: readonly Candidate[], weights: Float64Array): boolean {
  const best = bestOf(candidates)
  const after = candidates.slice(candidates.indexOf(best) + 1)
  return (
    after.length >= PATIENCE &&
    after.slice(-PATIENCE).every((c) => c.loss > best.loss + differenceError(c, best, weights))
  )
}

function choose(candidates: readonly Candidate[], rows: Int32Array, weights: Float64Array): PenaltySearch {
  const best = bestOf(candidates)
  const path = candidates.map((c) => {
    const { penalty, loss, temperature, accuracy } = c
    return { penalty, loss, temperature, accuracy, lossError: differenceError(c, best, weights) }
  })
  return { chosen: path[candidates.indexOf(best)]!, path, rows, logits: best.logits, start: best.start }
}

function meanPoint(points: readonly Vector[]): Float32Array {
  const mean = new Float32Array(points[0]!.length)
  for (const point of points) for (let j = 0; j < mean.length; j++) mean[j] = mean[j]! + point[j]! / points.length
  return mean
}
