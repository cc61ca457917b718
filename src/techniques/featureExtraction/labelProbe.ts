/**
 * Linear probe for several labels a sample: one logistic regression a label on frozen features, all of them solved together,
 * the penalties chosen by cross-validation (binary relevance; Read et al. 2011 find it hard to beat on linear features).
 */
import { UsageError } from '../../base/errors.js'
import { type Matrix, matrix, row, takeRows } from '../../base/matrix.js'
import type { MultiLabelTargets } from '../../data/targets.js'
import { lbfgs, type Vector } from '../../optim/lbfgs.js'
import type { LinearHead } from './classifier.js'
import { checkFeatures, type FittedHead, type HeadOptions, linearHead } from './head.js'
import { labelFolds } from './labelFolds.js'
import { frozen, logOdds, setConstant, startAt } from './labelOdds.js'
import { type LabelPath, searchLabelPenalties } from './labelPenalties.js'
import { NOISE } from './penaltyPath.js'
import { type LabelScaling, scaledLabels, scaleLabels, unscaled } from './plattScaling.js'
import { type PrincipalSpace, principalSpace } from './principalSpace.js'
import { regressionProblems } from './regressionProblems.js'
import { microF1 } from './scores.js'
import { foldBack, standardise, standardiser } from './standardise.js'

export interface LabelProbeOptions {
  /** Candidates for lambda; scikit-learn's C is 1 / lambda. @default 1e4, 1e3, ..., 1e-4 */
  readonly penalties?: readonly number[]
  /**
   * shared: one lambda, the best by the summed loss. per-label: a label takes its own best where that is better than the shared
   * one by more than a standard error, which labels with few positives seldom reach. @default 'per-label'
   */
  readonly penalty?: 'per-label' | 'shared'
  /** @default 5 */
  readonly folds?: number
  /** Samples that the penalties are chosen on, where there are more. @default 5000 */
  readonly searchSamples?: number
  /** As for the linear probe. @default 0.3 */
  readonly varianceFloor?: number
  /** Bring each label's logit to the log-odds that fit the held-out samples (Platt 1999). @default true */
  readonly calibrate?: boolean
  /** Largest entry of the gradient of the mean loss at which the final fit has converged. @default 1e-5 */
  readonly tolerance?: number
}

export interface FittedLabelProbe extends FittedHead {
  readonly linear: LinearHead
  /** lambda of each label, (C). */
  readonly penalties: Float64Array
  /** What each label's logit was scaled by. */
  readonly scaling: LabelScaling
  readonly converged: boolean
}

const PENALTIES = [1e4, 1e3, 1e2, 1e1, 1, 1e-1, 1e-2, 1e-3, 1e-4]
const DEFAULT_PENALTY = 1
const WANTED_PREDICTIONS = 400
const PRINCIPAL_SPACE_LIMIT = 512
const VARIANCE_FLOOR = 0.3
const NAMED = 5

/**
 * For each label c: min over w (D), b of sum_i s_i CE(y_ic, sigmoid(w x_i + b)) + lambda_c / 2 |w|², x standardised, b not
 * penalised; L-BFGS through the engine. With `varianceFloor: 0`, `calibrate: false` and one penalty each label equals
 * scikit-learn's StandardScaler + LogisticRegression(C = 1 / lambda).
 *
 * A label that every or no training sample has cannot be told apart by features: its weights are 0, its logit the smoothed
 * log-odds log((positives + 1/2) / (negatives + 1/2)), and a warning names it.
 *
 * @param features (N, D)
 * @throws UsageError for penalties that are not above 0 or fewer than 2 folds
 */
export async function fitLabelProbe(
  features: Matrix,
  targets: MultiLabelTargets,
  fit: HeadOptions,
  options: LabelProbeOptions = {},
): Promise<FittedLabelProbe> {
  const { penalties = PENALTIES, folds = 5 } = options
  if (penalties.length === 0 || !penalties.every((p) => p > 0 && p < Number.POSITIVE_INFINITY))
    throw new UsageError(`label probe: penalties are [${penalties.join(', ')}]; expected numbers above 0.`)
  if (!(Number.isInteger(folds) && folds >= 2))
    throw new UsageError(`label probe: ${folds} folds; expected a whole number, 2 or more.`)
  const { classes, labels } = targets
  checkFeatures(features, labels.length / classes.length, fit.weights)
  const weights = Float64Array.from({ length: features.rows }, (_, i) => fit.weights?.[i] ?? 1)
  const y = matrix(features.rows, classes.length, Float32Array.from(labels))
  const scaling = standardiser(features, weights, options.varianceFloor ?? VARIANCE_FLOOR)
  const standardised = standardise(features, scaling)
  // Exact, and cheaper where the samples span far fewer dimensions than the features have.
  const narrow = features.rows <= PRINCIPAL_SPACE_LIMIT && 2 * features.rows <= features.columns
  const space: PrincipalSpace | undefined = narrow ? principalSpace(standardised) : undefined
  const x = space?.features ?? standardised

  const chosen = subsetOf(labels, classes.length, options.searchSamples ?? 5000, fit)
  const path = await searchLabelPenalties({
    engine: fit.engine,
    random: fit.random.fork('label penalty'),
    features: chosen.length === x.rows ? x : takeRows(x, chosen),
    targets: chosen.length === x.rows ? y : takeRows(y, chosen),
    weights: Float64Array.from(chosen, (i) => weights[i]!),
    penalties,
    shared: options.penalty === 'shared',
    folds,
    repeats: Math.min(4, Math.max(1, Math.round(WANTED_PREDICTIONS / chosen.length))),
    signal: fit.signal,
    onProgress: (done) => fit.onProgress?.(0.9 * done),
  })
  const used =
    path?.penalties ?? new Float64Array(classes.length).fill(penalties.length === 1 ? penalties[0]! : DEFAULT_PENALTY)
  const solved = await solve(x, y, weights, used, path, options.tolerance ?? 1e-5, fit)
  fit.onProgress?.(1)

  const rows = (path?.rows ?? new Int32Array(0)).map((r) => chosen[r]!)
  const truth = takeRows(y, rows).data
  const calibrated = path !== undefined && options.calibrate !== false
  const shares = rows.length === weights.length ? weights : Float64Array.from(rows, (i) => weights[i]!)
  const platt = calibrated ? scaleLabels(path.logits, truth, shares) : unscaled(classes.length)
  const inX = matrix(classes.length, x.columns, Float32Array.from(solved.point.subarray(0, classes.length * x.columns)))
  const bias = Float32Array.from(solved.point.subarray(classes.length * x.columns))
  const folded = foldBack({ weight: space ? space.expand(inX) : inX, bias }, scaling)
  const linear = withConstants(scaledHead(folded, platt), solved.constant)
  return {
    name: 'linear-probe',
    kind: 'multi-label',
    ...linearHead(linear),
    linear,
    penalties: used,
    scaling: platt,
    converged: solved.converged,
    outOfFold: path && heldOut(scaledLabels(path.logits, platt), rows, truth),
    warnings: constantWarnings(solved.constant, y, classes),
    details: {
      penalty: path?.shared ?? used[0] ?? DEFAULT_PENALTY,
      ownPenalties: path === undefined ? 0 : used.filter((p) => p !== path.shared).length,
      iterations: solved.iterations,
      loss: solved.loss,
      constantLabels: solved.constant.size,
    },
  }
}

/** Rows to choose the penalties on: a stratified part of about `size`. */
function subsetOf(labels: Uint8Array, classes: number, size: number, { random }: HeadOptions): Int32Array {
  const count = labels.length / classes
  const every = Int32Array.from({ length: count }, (_, i) => i)
  const parts = Math.ceil(count / size)
  if (parts < 2) return every
  const part = labelFolds(labels, classes, parts, random.fork('label search'))
  return every.filter((i) => part[i] === 0)
}

interface Solved {
  readonly point: Vector
  /** The labels that are all or none, with their logits. */
  readonly constant: ReadonlyMap<number, number>
  readonly iterations: number
  readonly loss: number
  readonly converged: boolean
}

/** The fit on every sample. */
async function solve(
  features: Matrix,
  targets: Matrix,
  weights: Float64Array,
  penalties: Float64Array,
  path: LabelPath | undefined,
  tolerance: number,
  { engine, signal }: HeadOptions,
): Promise<Solved> {
  const odds = logOdds(targets, weights)
  const constant = new Map([...odds.keys()].filter((c) => !odds[c]!.learnable).map((c) => [c, odds[c]!.logit]))
  const start = path?.start ?? startAt(odds, features.columns)
  for (const [c, logit] of constant) setConstant(start, features.columns, targets.columns, c, logit)
  const problem = await regressionProblems({ engine, link: 'sigmoid', features, targets, weights: [weights] })
  try {
    const objective = async (point: Vector) =>
      frozen((await problem.evaluate([0], [point], penalties))[0]!, features.columns, targets.columns, constant)
    const found = await lbfgs(objective, start, { tolerance, noise: NOISE, maxIterations: 2000, signal })
    return {
      point: found.x,
      constant,
      iterations: found.iterations,
      loss: found.value,
      converged: found.reason === 'converged',
    }
  } finally {
    await problem.release()
  }
}

function withConstants(head: LinearHead, constant: ReadonlyMap<number, number>): LinearHead {
  for (const [c, logit] of constant) {
    row(head.weight, c).fill(0)
    head.bias[c] = logit
  }
  return head
}

function scaledHead({ weight, bias }: LinearHead, { scale, shift }: LabelScaling): LinearHead {
  const d = weight.columns
  return {
    weight: matrix(
      weight.rows,
      d,
      weight.data.map((v, at) => v * scale[Math.floor(at / d)]!),
    ),
    bias: bias.map((v, c) => v * scale[c]! + shift[c]!),
  }
}

function heldOut(logits: Matrix, rows: Int32Array, truth: Float32Array): NonNullable<FittedHead['outOfFold']> {
  return { rows, logits, score: microF1(logits, truth), measure: 'micro F1' }
}

function constantWarnings(constant: ReadonlyMap<number, number>, y: Matrix, classes: readonly string[]): string[] {
  const names = (which: (c: number) => boolean) => [...constant.keys()].filter(which).map((c) => `"${classes[c]}"`)
  const say = (list: readonly string[], what: string) => {
    if (list.length === 0) return []
    const shown = list.slice(0, NAMED).join(', ')
    const more = list.length > NAMED ? ` and ${list.length - NAMED} more` : ''
    return [
      `${what} the label${list.length === 1 ? '' : 's'} ${shown}${more}: it is predicted at a constant probability.`,
    ]
  }
  const has = (c: number) => y.rows > 0 && y.data[c] === 1
  return [
    ...say(
      names((c) => !has(c)),
      'No training sample has',
    ),
    ...say(names(has), 'Every training sample has'),
  ]
}
