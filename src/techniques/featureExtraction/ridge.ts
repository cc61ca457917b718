/** Ridge classifier: least squares on one-hot labels with an L2 penalty, in closed form (Hoerl and Kennard 1970). */
import { UsageError } from '../../base/errors.js'
import { takeRows } from '../../base/matrix.js'
import {
  type Classifier,
  checkFit,
  divided,
  type FittedClassifier,
  type LinearHead,
  linearLogits,
  weightedTargets,
} from './classifier.js'
import { stratifiedSubset } from './folds.js'
import { linearNodes } from './headNodes.js'
import { heldOutRows, heldOutTemperature, outOfFoldOf } from './outOfFold.js'
import { leaveOneOut, RIDGE_PENALTIES, RIDGE_SEARCH_SAMPLES, solveRidge } from './ridgeSolve.js'
import { foldBack, standardise, standardiser } from './standardise.js'

export interface RidgeOptions {
  /** Candidates for lambda. @default 10^-2, 10^-1.5, ..., 10^6 */
  readonly penalties?: readonly number[]
  /** As for the linear probe. @default 0.3 */
  readonly varianceFloor?: number
}

export interface FittedRidge extends FittedClassifier {
  readonly linear: LinearHead
  readonly penalty: number
}

/**
 * min over W, b of sum_i s_i |y_i - W x_i - b|² + lambda |W|², x standardised, b not penalised. lambda minimises the
 * squared error of leave-one-out, which the hat matrix H gives without refitting: e_i = (y_i - f_i) / (1 - h_ii) (Allen
 * 1974, PRESS). Scores are divided by the temperature that fits the left-out ones, so that their softmax is a probability.
 */
export function ridge(options: RidgeOptions = {}): Classifier<FittedRidge> {
  const { penalties = RIDGE_PENALTIES, varianceFloor = 0.3 } = options
  if (penalties.length === 0 || !penalties.every((p) => p > 0 && p < Number.POSITIVE_INFINITY))
    throw new UsageError(`ridge: penalties are [${penalties.join(', ')}]; expected numbers above 0.`)
  return {
    name: 'ridge',
    async fit(features, labels, classes, fit) {
      checkFit(features, labels, classes, fit)
      const { targets, weights } = weightedTargets(labels, classes, fit)
      const scaling = standardiser(features, weights, varianceFloor)
      const x = standardise(features, scaling)
      const size = features.columns <= RIDGE_SEARCH_SAMPLES ? labels.length : RIDGE_SEARCH_SAMPLES
      const subset = stratifiedSubset(labels, classes, size, fit.random.fork('ridge'))
      const all = subset.length === labels.length
      const part = {
        x: all ? x : takeRows(x, subset),
        y: all ? targets : takeRows(targets, subset),
        s: Float64Array.from(subset, (i) => weights[i]!),
      }
      fit.signal?.throwIfAborted()
      const found = leaveOneOut(part.x, part.y, part.s, penalties)
      const standardised = all ? found.head : await solveRidge(x, targets, weights, found.penalty, fit)
      const kept = heldOutRows(subset.length, (i) => part.s[i]! > 0)
      const rows = kept.map((i) => subset[i]!)
      const logits = takeRows(found.logits, kept)
      const temperature = heldOutTemperature(
        logits,
        rows.map((i) => labels[i]!),
        'usual',
      )
      const linear = foldBack(divided(standardised, temperature), scaling)
      const outOfFold = outOfFoldOf(logits, rows, labels, temperature)
      return {
        name: 'ridge',
        classes,
        dimensions: features.columns,
        linear,
        penalty: found.penalty,
        logits: (other) => linearLogits(other, linear),
        nodes: (from, to, prefix) => linearNodes(linear, from, to, prefix),
        outOfFold,
        details: { penalty: found.penalty, temperature, ...(outOfFold && { accuracy: outOfFold.accuracy }) },
      }
    },
  }
}
