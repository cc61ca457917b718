/**
 * The penalty of a linear probe by repeated stratified cross-validation.
 *
 * Penalties are compared by the log-loss of the held-out samples after one temperature for all of them (Guo et al. 2017):
 * a strong penalty only shrinks the logits, which a temperature undoes, so that this loss asks how well the classes are told
 * apart, with far less noise than the accuracy of a few samples. The penalty with the lowest loss is taken.
 */
import { type Matrix, matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { Engine } from '../../runtime/engine.js'
import { stratifiedFolds } from './folds.js'
import { heldOutTemperature } from './outOfFold.js'
import {
  bestOf,
  differenceError,
  heldOutFolds,
  heldOutPositions,
  type Judged,
  type PathCandidate,
  penaltyPath,
} from './penaltyPath.js'
import { pointLogits, type Restriction, regressionProblems, restricted } from './regressionProblems.js'

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
  /** Loss of each held-out row at the chosen penalty, mean over repeats. */
  readonly losses: Float64Array
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
  /** Samples of one group are held out together. */
  readonly groups?: ArrayLike<number> | undefined
  readonly penalties: readonly number[]
  readonly folds: number
  readonly repeats: number
  readonly tolerance: number
  /** @default every W (C, D) and b (C) */
  readonly restriction?: Restriction | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((done: number) => void) | undefined
}

/** Undefined where nothing can be held out: every class has one sample. */
export async function searchPenalty(options: PenaltySearchOptions): Promise<PenaltySearch | undefined> {
  const { features, labels, targets, weights, random, groups } = options
  const classes = targets.columns
  const splits = Array.from({ length: options.repeats }, (_, repeat) =>
    stratifiedFolds(labels, classes, options.folds, random.fork('folds', repeat), groups),
  )
  const rows = heldOutPositions(splits[0]!, weights)
  if (rows.length === 0) return undefined
  const held = heldOutFolds(splits, options.folds, weights)
  const problems = await regressionProblems({ ...options, link: 'softmax', weights: held.map((h) => h.training) })
  const { restriction } = options
  const size = restriction?.size ?? classes * (features.columns + 1)
  try {
    const candidates = await penaltyPath({
      ...options,
      held,
      rows,
      repeats: splits.length,
      samples: features.rows,
      outputs: classes,
      problems: restricted(problems, restriction),
      starts: held.map(() => new Float32Array(size)),
      logitsOf: (which, point) => pointLogits(features, which, restriction?.expand(point) ?? point, classes),
      judge: (logits) => judge(logits, rows, splits.length, labels, weights),
    })
    return choose(candidates, rows, weights)
  } finally {
    await problems.release()
  }
}

function judge(stacked: Matrix, rows: Int32Array, repeats: number, labels: Int32Array, weights: Float64Array): Judged {
  const classes = stacked.columns
  const truth = Int32Array.from({ length: stacked.rows }, (_, at) => labels[rows[at % rows.length]!]!)
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
    losses[r] = losses[r]! + (Math.log(sum) + (max - own) / temperature) / repeats
    const w = weights[rows[r]!]!
    total += w
    if (best === truth[at]) right += w
  }
  return { losses, temperature, score: right / total }
}

function choose(candidates: readonly PathCandidate[], rows: Int32Array, weights: Float64Array): PenaltySearch {
  const best = bestOf(candidates)
  const path = candidates.map(({ penalty, loss, temperature, score, losses }) => ({
    penalty,
    loss,
    temperature,
    accuracy: score,
    lossError: differenceError(losses, best.losses, rows, weights),
  }))
  const { logits, losses, start } = best
  const first = matrix(rows.length, logits.columns, logits.data.slice(0, rows.length * logits.columns))
  return { chosen: path[candidates.indexOf(best)]!, path, rows, logits: first, losses, start }
}
