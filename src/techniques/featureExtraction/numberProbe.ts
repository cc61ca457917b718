/** Linear probe for a number: ridge regression on frozen features, its penalty by leave-one-out. */
import { GraftError, UsageError } from '../../base/errors.js'
import { type Matrix, matrix, takeRows } from '../../base/matrix.js'
import type { NumberTargets } from '../../data/targets.js'
import type { LinearHead } from './classifier.js'
import { checkFeatures, type FittedHead, type HeadOptions, linearHead } from './head.js'
import { leaveOneOut, RIDGE_PENALTIES, RIDGE_SEARCH_SAMPLES, solveRidge } from './ridgeSolve.js'
import { rSquared } from './scores.js'
import { foldBack, standardise, standardiser } from './standardise.js'

export interface NumberProbeOptions {
  /** Candidates for lambda. @default 10^-2, 10^-1.5, ..., 10^6 */
  readonly penalties?: readonly number[]
  /** As for the linear probe. @default 0.3 */
  readonly varianceFloor?: number
}

export interface FittedNumberProbe extends FittedHead {
  readonly linear: LinearHead
  readonly penalty: number
  /** Weighted mean and deviation of the targets: a training that standardises them divides weight and bias by these. */
  readonly target: { readonly mean: number; readonly deviation: number }
  /** Root mean square of what leave-one-out leaves over, in the targets' unit. */
  readonly error: number
}

/**
 * min over w (D), b of sum_i s_i (y_i - w x_i - b)² + lambda |w|², x and y standardised, b not penalised; the head gives the
 * number in its own unit. lambda minimises the squared error of leave-one-out (Allen 1974), on at most 800 samples where the
 * features are more than that; its R² and root mean square are in the result.
 *
 * @param features (N, D)
 * @param targets (N), finite
 * @throws GraftError where all targets are equal; UsageError for penalties that are not above 0
 */
export async function fitNumberProbe(
  features: Matrix,
  targets: NumberTargets,
  fit: HeadOptions,
  options: NumberProbeOptions = {},
): Promise<FittedNumberProbe> {
  const { penalties = RIDGE_PENALTIES, varianceFloor = 0.3 } = options
  if (penalties.length === 0 || !penalties.every((p) => p > 0 && p < Number.POSITIVE_INFINITY))
    throw new UsageError(`number probe: penalties are [${penalties.join(', ')}]; expected numbers above 0.`)
  const { values } = targets
  checkFeatures(features, values.length, fit.weights)
  const weights = Float64Array.from({ length: features.rows }, (_, i) => fit.weights?.[i] ?? 1)
  const target = spreadOf(values, weights, targets.name)
  const y = matrix(
    values.length,
    1,
    Float32Array.from(values, (v) => (v - target.mean) / target.deviation),
  )
  const scaling = standardiser(features, weights, varianceFloor)
  const x = standardise(features, scaling)
  const every = Int32Array.from({ length: x.rows }, (_, i) => i)
  const whole = x.columns <= RIDGE_SEARCH_SAMPLES || x.rows <= RIDGE_SEARCH_SAMPLES
  const rows = whole ? every : fit.random.fork('ridge').permutation(x.rows).slice(0, RIDGE_SEARCH_SAMPLES).sort()
  fit.signal?.throwIfAborted()
  const own = Float64Array.from(rows, (i) => weights[i]!)
  const found = leaveOneOut(whole ? x : takeRows(x, rows), whole ? y : takeRows(y, rows), own, penalties)
  fit.onProgress?.(0.7)
  const standardised = whole ? found.head : await solveRidge(x, y, weights, found.penalty, fit)
  fit.onProgress?.(1)
  const linear = inUnit(foldBack(standardised, scaling), target)
  const held = matrix(
    rows.length,
    1,
    found.logits.data.map((v) => v * target.deviation + target.mean),
  )
  const truth = Float64Array.from(rows, (i) => values[i]!)
  const total = own.reduce((a, b) => a + b, 0)
  const error = Math.sqrt(truth.reduce((sum, v, r) => sum + own[r]! * (v - held.data[r]!) ** 2, 0) / total)
  const score = rSquared(held.data, truth, own)
  return {
    name: 'ridge',
    kind: 'number',
    ...linearHead(linear),
    linear,
    penalty: found.penalty,
    target,
    error,
    outOfFold: { rows, logits: held, score, measure: 'R2' },
    warnings: [],
    details: { penalty: found.penalty, R2: score, error, mean: target.mean, deviation: target.deviation },
  }
}

function spreadOf(values: Float64Array, weights: Float64Array, name: string): { mean: number; deviation: number } {
  const bad = values.findIndex((v) => !Number.isFinite(v))
  if (bad >= 0) throw new GraftError(`Sample ${bad} has ${values[bad]} for "${name}"; expected a finite number.`)
  const total = weights.reduce((a, b) => a + b, 0)
  if (!(total > 0))
    throw new GraftError(`No sample with a weight above 0 has a value for "${name}".`, {
      remedy: 'Add samples whose number is known, or give some of them a weight.',
    })
  const mean = values.reduce((sum, v, i) => sum + (weights[i]! / total) * v, 0)
  const deviation = Math.sqrt(values.reduce((sum, v, i) => sum + (weights[i]! / total) * (v - mean) ** 2, 0))
  if (!(deviation > 1e-12 * Math.abs(mean)))
    throw new GraftError(`All ${values.length} samples have the same value for "${name}": ${mean}.`, {
      remedy: 'A number can only be learnt from samples in which it varies.',
    })
  return { mean, deviation }
}

/** The head that gives y deviation + mean where `head` gives y. */
function inUnit({ weight, bias }: LinearHead, target: { mean: number; deviation: number }): LinearHead {
  return {
    weight: matrix(
      weight.rows,
      weight.columns,
      weight.data.map((v) => v * target.deviation),
    ),
    bias: bias.map((v) => v * target.deviation + target.mean),
  }
}
