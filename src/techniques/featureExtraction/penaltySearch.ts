/**
 * The penalty of a linear probe by repeated stratified cross-validation.
 *
 * Penalties are compared by the log-loss of the held-out samples after one temperature for all of them (Guo et al. 2017):
 * a strong penalty only shrinks the logits, which a temperature undoes, so that this loss asks how well the classes are told
 * apart, with far less noise than the accuracy of a few samples. The penalty with the lowest loss is taken.
 */
import { type Matrix, matrix, row, takeRows } from '../../base/matrix.js'
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
import { type Link, pointLogits, type Restriction, regressionProblems, restricted } from './regressionProblems.js'

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
  readonly link: Link
  /** Whether samples without a label are held out and judge too, or only train. */
  readonly partlyKnownJudge: boolean
  readonly features: Matrix
  /** -1 for samples of which `targets` has the possible classes. */
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
  const splits = Array.from({ length: options.repeats }, (_, repeat) => {
    const folds = random.fork('folds', repeat)
    const fold = stratifiedFolds(withLast(labels, classes), classes + 1, options.folds, folds, groups)
    return options.partlyKnownJudge ? fold : fold.map((own, i) => (labels[i]! < 0 ? -1 : own))
  })
  const rows = heldOutPositions(splits[0]!, weights)
  if (rows.length === 0) return undefined
  const held = heldOutFolds(splits, options.folds, weights)
  const problems = await regressionProblems({ ...options, weights: held.map((h) => h.training) })
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
      judge: (logits) => judge(logits, rows, splits.length, options),
    })
    return choose(candidates, rows, weights)
  } finally {
    await problems.release()
  }
}

/** Labels with those that are not known as a class of their own, the last. */
export const withLast = (labels: Int32Array, classes: number): Int32Array =>
  labels.map((label) => (label < 0 ? classes : label))

/**
 * The loss of each held-out sample: minus the logarithm of the probability of its class, or of all that it may have. Temperature
 * and accuracy are those of samples whose class is known.
 */
function judge(
  stacked: Matrix,
  rows: Int32Array,
  repeats: number,
  { labels, targets, weights }: Pick<PenaltySearchOptions, 'labels' | 'targets' | 'weights'>,
): Judged {
  const classes = stacked.columns
  const truth = Int32Array.from({ length: stacked.rows }, (_, at) => labels[rows[at % rows.length]!]!)
  const known = Int32Array.from(truth.keys()).filter((at) => truth[at]! >= 0)
  const own = known.length === truth.length ? stacked : takeRows(stacked, known)
  const temperature = heldOutTemperature(
    own,
    known.map((at) => truth[at]!),
    'as is',
  )
  const losses = new Float64Array(rows.length)
  let right = 0
  let total = 0
  for (let at = 0; at < truth.length; at++) {
    const r = at % rows.length
    const label = truth[at]!
    const z = stacked.data.subarray(at * classes, (at + 1) * classes)
    let max = Number.NEGATIVE_INFINITY
    let best = 0
    z.forEach((value, c) => {
      if (value > max) {
        max = value
        best = c
      }
    })
    const sumOver = (counts: (c: number) => boolean) =>
      z.reduce((sum, value, c) => (counts(c) ? sum + Math.exp((value - max) / temperature) : sum), 0)
    const all = Math.log(sumOver(() => true))
    if (label >= 0) {
      losses[r] = losses[r]! + (all + (max - z[label]!) / temperature) / repeats
      const w = weights[rows[r]!]!
      total += w
      if (best === label) right += w
    } else {
      const possible = row(targets, rows[r]!)
      // Not below the smallest number: logits may lie further apart than an exponential reaches.
      const some = Math.max(
        Number.MIN_VALUE,
        sumOver((c) => possible[c] === 1),
      )
      losses[r] = losses[r]! + (all - Math.log(some)) / repeats
    }
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
