/**
 * Linear probe: multinomial logistic regression on frozen features, fitted to convergence, its penalty chosen by
 * cross-validation. The reference for what a backbone's features are worth (Alain and Bengio 2016; Kornblith et al. 2019).
 */

import { UsageError } from '../../base/errors.js'
import { type Matrix, matrix, takeRows } from '../../base/matrix.js'
import { type LbfgsResult, lbfgs } from '../../optim/lbfgs.js'
import {
  type Classifier,
  checkFit,
  divided,
  type FitOptions,
  type FittedClassifier,
  type LinearHead,
  linearLogits,
  weightedTargets,
} from './classifier.js'
import { stratifiedSubset } from './folds.js'
import { linearNodes } from './headNodes.js'
import { outOfFoldOf } from './outOfFold.js'
import { NOISE } from './penaltyPath.js'
import { type PenaltyScore, type PenaltySearch, searchPenalty, withLast } from './penaltySearch.js'
import { type PrincipalSpace, principalSpace } from './principalSpace.js'
import { type Link, type Restriction, regressionProblems, restricted } from './regressionProblems.js'
import { foldBack, standardise, standardiser } from './standardise.js'

export interface LinearProbeOptions {
  /**
   * Candidates for lambda; scikit-learn's C is 1 / lambda. One value is used as it is, and then cross-validation only
   * serves the out-of-fold predictions. The path ends early once weaker penalties are clearly worse.
   * @default 1e4, 1e3, ..., 1e-4
   */
  readonly penalties?: readonly number[]
  /** @default 5 */
  readonly folds?: number
  /** Cross-validations with other folds, averaged. @default enough for about 400 held-out predictions, 4 at most */
  readonly repeats?: number
  /** Samples that the penalty is chosen on, where there are more. @default 5000 */
  readonly searchSamples?: number
  /** Share of the mean variance that is added to every feature's when they are standardised. @default 0.3 */
  readonly varianceFloor?: number
  /** Divide the head by the temperature that fits the held-out samples, so that its probabilities can be trusted. @default true */
  readonly calibrate?: boolean
  /** Largest entry of the gradient of the mean loss at which the final fit has converged. @default 1e-5 */
  readonly tolerance?: number
}

export interface FittedLinearProbe extends FittedClassifier {
  readonly linear: LinearHead
  readonly penalty: number
  /** The temperature that the head was divided by; 1 where it was not. */
  readonly temperature: number
  /** Every penalty that was tried, strongest first; empty where nothing could be held out. */
  readonly path: readonly PenaltyScore[]
  readonly converged: boolean
}

const PENALTIES = [1e4, 1e3, 1e2, 1e1, 1, 1e-1, 1e-2, 1e-3, 1e-4]
/** Where nothing can be held out. Scikit-learn's default. */
const DEFAULT_PENALTY = 1
/** The folds need their ranking, not their last digit. */
const SEARCH_TOLERANCE = 3e-4
/** Measured on photos and digits at 4 ... 32 samples a class: 0.1 ... 1 do equally well, 0 loses up to 10 points. */
const VARIANCE_FLOOR = 0.3
const WANTED_PREDICTIONS = 400
const PRINCIPAL_SPACE_LIMIT = 512

/**
 * min over W (C, D), b (C) of sum_i s_i CE(y_i, softmax(W x_i + b)) + lambda / 2 |W|², x standardised, b not penalised.
 *
 * Partly known samples j add - log sum over their possible classes of softmax(W x_j + b), and judge penalties by the same,
 * unless they are said to have no say in it.
 *
 * L-BFGS through the engine. With `varianceFloor: 0` and `calibrate: false` it equals scikit-learn's StandardScaler +
 * LogisticRegression(C = 1 / lambda). The result is folded back to raw features.
 *
 * @throws UsageError for penalties that are not above 0 or fewer than 2 folds
 */
export function linearProbe(options: LinearProbeOptions = {}): Classifier<FittedLinearProbe> {
  const settled = settle(options)
  return {
    name: 'linear-probe',
    async fit(features, labels, classes, fit) {
      checkFit(features, labels, classes, fit)
      return fitProbe(settled, features, labels, classes, fit)
    },
  }
}

/** The options with the defaults in place. */
export function settle(options: LinearProbeOptions): SettledProbe {
  const penalties = options.penalties ?? PENALTIES
  const folds = options.folds ?? 5
  if (penalties.length === 0 || !penalties.every((p) => p > 0 && p < Number.POSITIVE_INFINITY))
    throw new UsageError(`linear probe: penalties are [${penalties.join(', ')}]; expected numbers above 0.`)
  if (!(Number.isInteger(folds) && folds >= 2))
    throw new UsageError(`linear probe: ${folds} folds; expected a whole number, 2 or more.`)
  return { ...options, penalties, folds }
}

export type SettledProbe = LinearProbeOptions & Required<Pick<LinearProbeOptions, 'penalties' | 'folds'>>

/**
 * The fit, after its checks.
 *
 * @param family restricts the regression on D features to a linear family
 */
export async function fitProbe(
  options: SettledProbe,
  features: Matrix,
  labels: Int32Array,
  classes: number,
  fit: FitOptions,
  family?: (dimensions: number) => Restriction,
): Promise<FittedLinearProbe> {
  const own = weightedTargets(labels, classes, fit)
  const { partlyKnown } = fit
  const all = partlyKnown ? below(features, partlyKnown.features) : features
  const targets = partlyKnown ? below(own.targets, partlyKnown.possible) : own.targets
  const weights = Float64Array.from({ length: all.rows }, (_, i) => own.weights[i] ?? 1)
  const known = Int32Array.from({ length: all.rows }, (_, i) => labels[i] ?? -1)
  const link: Link = partlyKnown ? 'possible' : 'softmax'
  const scaling = standardiser(all, weights, options.varianceFloor ?? VARIANCE_FLOOR)
  const standardised = standardise(all, scaling)
  // Exact, and cheaper where the samples span far fewer dimensions than the features have.
  const narrow = all.rows <= PRINCIPAL_SPACE_LIMIT && 2 * all.rows <= all.columns
  const space: PrincipalSpace | undefined = narrow ? principalSpace(standardised) : undefined
  const x = space?.features ?? standardised

  const restriction = family?.(x.columns)
  const search = await crossValidate(options, x, known, { link, targets, weights, restriction }, fit)
  const penalty = search?.chosen.penalty ?? (options.penalties.length === 1 ? options.penalties[0]! : DEFAULT_PENALTY)
  const solved = await solve(
    x,
    { link, targets, weights, restriction },
    penalty,
    options.tolerance ?? 1e-5,
    search?.start,
    fit,
  )
  fit.onProgress?.(1)

  const temperature = options.calibrate === false ? 1 : (search?.chosen.temperature ?? 1)
  const point = restriction?.expand(solved.x) ?? solved.x
  const inX = matrix(classes, x.columns, Float32Array.from(point.subarray(0, classes * x.columns)))
  const weight = space ? space.expand(inX) : inX
  const bias = Float32Array.from(point.subarray(classes * x.columns))
  const linear = divided(foldBack({ weight, bias }, scaling), temperature)
  const outOfFold = search && outOfFoldOf(search.logits, search.rows, known, temperature, search.chosen.accuracy)
  return {
    name: 'linear-probe',
    classes,
    dimensions: features.columns,
    linear,
    logits: (other) => linearLogits(other, linear),
    nodes: (from, to, prefix) => linearNodes(linear, from, to, prefix),
    outOfFold,
    penalty,
    temperature,
    path: search?.path ?? [],
    converged: solved.reason === 'converged',
    details: {
      penalty,
      temperature,
      iterations: solved.iterations,
      loss: solved.value,
      gradientNorm: solved.gradientNorm,
      ...(outOfFold && { accuracy: outOfFold.accuracy, standardError: outOfFold.standardError }),
    },
  }
}

/** One matrix below another. */
function below(first: Matrix, second: Matrix): Matrix {
  const all = matrix(first.rows + second.rows, first.columns)
  all.data.set(first.data)
  all.data.set(second.data, first.data.length)
  return all
}

interface Problem {
  readonly link: Link
  readonly targets: Matrix
  readonly weights: Float64Array
  readonly restriction: Restriction | undefined
}

async function crossValidate(
  options: SettledProbe,
  x: Matrix,
  labels: Int32Array,
  { link, targets, weights, restriction }: Problem,
  fit: FitOptions,
): Promise<PenaltySearch | undefined> {
  const { columns: classes } = targets
  const strata = withLast(labels, classes)
  const chosen = stratifiedSubset(strata, classes + 1, options.searchSamples ?? 5000, fit.random.fork('search'))
  const all = chosen.length === x.rows
  const found = await searchPenalty({
    engine: fit.engine,
    random: fit.random.fork('penalty'),
    features: all ? x : takeRows(x, chosen),
    link,
    partlyKnownJudge: fit.partlyKnown?.judges !== false,
    labels: all ? labels : chosen.map((i) => labels[i]!),
    targets: all ? targets : takeRows(targets, chosen),
    weights: all ? weights : Float64Array.from(chosen, (i) => weights[i]!),
    // Partly known samples are groups of their own, one each.
    groups: fit.groups && chosen.map((i) => fit.groups![i] ?? -1 - i),
    penalties: options.penalties,
    folds: options.folds,
    repeats: options.repeats ?? Math.min(4, Math.max(1, Math.round(WANTED_PREDICTIONS / chosen.length))),
    tolerance: SEARCH_TOLERANCE,
    restriction,
    signal: fit.signal,
    onProgress: (done) => fit.onProgress?.(0.9 * done),
  })
  return found && { ...found, rows: found.rows.map((r) => chosen[r]!) }
}

/** The fit on every sample. */
async function solve(
  features: Matrix,
  { link, targets, weights, restriction }: Problem,
  penalty: number,
  tolerance: number,
  start: Float32Array | undefined,
  { engine, signal }: FitOptions,
): Promise<LbfgsResult> {
  const problems = await regressionProblems({ engine, link, features, targets, weights: [weights] })
  const problem = restricted(problems, restriction)
  try {
    const from = start ?? new Float32Array(restriction?.size ?? targets.columns * (features.columns + 1))
    const objective = async (point: Float32Array | Float64Array) => (await problem.evaluate([0], [point], penalty))[0]!
    return await lbfgs(objective, from, { tolerance, noise: NOISE, maxIterations: 2000, signal })
  } finally {
    await problems.release()
  }
}
