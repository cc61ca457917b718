/**
 * The penalty of each label's logistic regression by repeated cross-validation over folds that keep the positives of every
 * label even. All labels share the path, so that a penalty for each costs no more than one for all.
 *
 * Penalties are compared by the log-loss of the held-out samples after Platt's scaling of each label, so that a penalty is
 * judged by how well it tells samples apart, not by how much it shrinks the logits.
 */
import { type Matrix, matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { Engine } from '../../runtime/engine.js'
import { labelFolds } from './labelFolds.js'
import { frozen, logOdds, startAt } from './labelOdds.js'
import {
  bestOf,
  differenceError,
  heldOutFolds,
  type Judged,
  type PathCandidate,
  penaltyPath,
  weightedMean,
} from './penaltyPath.js'
import { logisticLoss, scaledLabels, scaleLabels } from './plattScaling.js'
import { pointLogits, regressionProblems } from './regressionProblems.js'
import { microF1 } from './scores.js'

/** The folds need their ranking, not their last digit. */
const SEARCH_TOLERANCE = 3e-4

export interface LabelPath {
  /** lambda of each label, (C). */
  readonly penalties: Float64Array
  /** The best for all labels together. */
  readonly shared: number
  /** Positions that were held out, ascending: all of them. */
  readonly rows: Int32Array
  /** Logits of the held-out rows at each label's penalty, first repeat, not scaled: (rows, C). */
  readonly logits: Matrix
  /** Where the final fit starts. */
  readonly start: Float32Array
}

export interface LabelPathOptions {
  readonly engine: Engine
  readonly random: Random
  readonly features: Matrix
  /** (N, C), 0 or 1. */
  readonly targets: Matrix
  readonly weights: Float64Array
  readonly penalties: readonly number[]
  /** One penalty for all labels. */
  readonly shared: boolean
  readonly folds: number
  readonly repeats: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((done: number) => void) | undefined
}

/** Undefined where there are too few samples to hold any out, or no label to learn. */
export async function searchLabelPenalties(options: LabelPathOptions): Promise<LabelPath | undefined> {
  const { features, targets, weights, random } = options
  const classes = targets.columns
  const learnable = logOdds(targets, weights).map((o) => o.learnable)
  const folds = Math.min(options.folds, features.rows >> 1)
  if (folds < 2 || !learnable.some(Boolean)) return undefined
  const splits = Array.from({ length: options.repeats }, (_, repeat) =>
    labelFolds(targets.data, classes, folds, random.fork('folds', repeat)),
  )
  const held = heldOutFolds(splits, folds, weights)
  const rows = Int32Array.from(weights.keys())
  const problems = await regressionProblems({ ...options, link: 'sigmoid', weights: held.map((h) => h.training) })
  // A label whose positives are all held out stays at its log-odds in that fold.
  const odds = held.map((h) => logOdds(targets, h.training))
  const fixed = odds.map((own) => new Map([...own.keys()].filter((c) => !own[c]!.learnable).map((c) => [c, true])))
  const dimensions = features.columns
  try {
    const candidates = await penaltyPath({
      ...options,
      tolerance: SEARCH_TOLERANCE,
      held,
      rows,
      samples: features.rows,
      outputs: classes,
      problems: {
        async evaluate(which, points, penalty) {
          const found = await problems.evaluate(which, points, penalty)
          return found.map((evaluation, k) => frozen(evaluation, dimensions, classes, fixed[which[k]!]!))
        },
      },
      starts: odds.map((own) => startAt(own, dimensions)),
      logitsOf: (which, point) => pointLogits(features, which, point, classes),
      judge: (logits) => judge(logits, targets, weights, learnable),
    })
    return choose(candidates, options, learnable, rows)
  } finally {
    await problems.release()
  }
}

/** The loss of a sample is the sum over the labels that can be learnt. */
function judge(logits: Matrix, targets: Matrix, weights: Float64Array, learnable: readonly boolean[]): Judged {
  const scaled = scaledHeldOut(logits, targets, weights)
  const losses = new Float64Array(targets.rows)
  for (const [c, learns] of learnable.entries()) {
    if (!learns) continue
    const own = labelLosses(scaled, targets, c)
    for (let i = 0; i < losses.length; i++) losses[i] = losses[i]! + own[i]!
  }
  return { losses, temperature: 1, score: microF1(scaled, repeated(targets, logits.rows / targets.rows)) }
}

function scaledHeldOut(logits: Matrix, targets: Matrix, weights: Float64Array): Matrix {
  const repeats = logits.rows / targets.rows
  // A sample counts once, however often it was held out.
  const shares = Float64Array.from({ length: logits.rows }, (_, at) => weights[at % targets.rows]! / repeats)
  return scaledLabels(logits, scaleLabels(logits, repeated(targets, repeats), shares))
}

/** The loss of one label of each sample, mean over repeats. */
function labelLosses(logits: Matrix, targets: Matrix, label: number): Float64Array {
  const { rows, columns } = targets
  const losses = new Float64Array(rows)
  const repeats = logits.rows / rows
  for (let at = 0; at < logits.rows; at++) {
    const i = at % rows
    const loss = logisticLoss(logits.data[at * columns + label]!, targets.data[i * columns + label]!)
    losses[i] = losses[i]! + loss / repeats
  }
  return losses
}

function repeated(targets: Matrix, repeats: number): Float32Array {
  const out = new Float32Array(repeats * targets.data.length)
  for (let r = 0; r < repeats; r++) out.set(targets.data, r * targets.data.length)
  return out
}

function choose(
  candidates: readonly PathCandidate[],
  { targets, weights, features, shared }: LabelPathOptions,
  learnable: readonly boolean[],
  rows: Int32Array,
): LabelPath {
  const best = bestOf(candidates)
  const classes = targets.columns
  const dimensions = features.columns
  const scaled = candidates.map((candidate) => scaledHeldOut(candidate.logits, targets, weights))
  const own = learnable.map((learns, c) => {
    if (shared || !learns) return best
    const scored = candidates.map((candidate, at) => {
      const losses = labelLosses(scaled[at]!, targets, c)
      return { candidate, losses, loss: weightedMean(losses, rows, weights) }
    })
    const common = scored[candidates.indexOf(best)]!
    const least = bestOf(scored)
    const error = differenceError(common.losses, least.losses, rows, weights)
    return common.loss - least.loss > error ? least.candidate : best
  })
  const logits = matrix(targets.rows, classes)
  const start = new Float32Array(best.start.length)
  own.forEach((candidate, c) => {
    for (let i = 0; i < targets.rows; i++) logits.data[i * classes + c] = candidate.logits.data[i * classes + c]!
    start.set(candidate.start.subarray(c * dimensions, (c + 1) * dimensions), c * dimensions)
    start[classes * dimensions + c] = candidate.start[classes * dimensions + c]!
  })
  return { penalties: Float64Array.from(own, (c) => c.penalty), shared: best.penalty, rows, logits, start }
}
