/**
 * What share each class has in a set without labels, if the classes look as they did and only became more or less frequent: two estimates,
 * their intervals, and a check of the "if".
 */
import { argmaxRows, type Matrix, row, softmaxRows, takeRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { fitTemperature } from '../calibration.js'
import { type Interval, quantile } from '../intervals.js'
import { shares } from '../validators/distributions.js'
import { mmdTest } from './permutation.js'
import { leastSquaresDistribution } from './simplex.js'

export interface LabelShiftInput {
  /** Held-out source samples: logits (N, C) and their classes. */
  readonly source: { readonly logits: Matrix; readonly labels: ArrayLike<number>; readonly features?: Matrix }
  readonly target: { readonly logits: Matrix; readonly features?: Matrix }
  /** Share of each class where the model was trained, (C). @default those of the held-out samples */
  readonly prior?: ArrayLike<number>
}

export interface LabelShiftOptions {
  readonly random: Random
  /** Bootstrap replicates of source and target. @default 200 */
  readonly replicates?: number
}

export interface LabelShift {
  /** Share of each class in the source, (C). */
  readonly prior: Float64Array
  /** From the confusion matrix of held-out source samples (Lipton, Wang, Smola 2018), (C). */
  readonly blackBox: Float64Array
  /** By expectation maximisation on the predicted probabilities (Saerens, Latinne, Decaestecker 2002), (C). */
  readonly expectation: Float64Array
  /** 95 % intervals of `blackBox`, by the bootstrap over both sets, (C). */
  readonly intervals: readonly Interval[]
  /** Classes whose interval excludes their share in the source. */
  readonly moved: readonly number[]
  readonly consistency: LabelShiftConsistency
}

export interface LabelShiftConsistency {
  /** Total variation distance of the two estimates, 0 ... 1. */
  readonly between: number
  /** What `between` may be by chance: the 95 % quantile over bootstrap replicates of each estimate's distance from itself. */
  readonly allowed: number
  /**
   * p-value of "source samples in the estimated shares look like the target", by an MMD test on features. Small: more than the shares
   * changed, and the estimates are not to be trusted. Undefined without features, or with too few source samples of the classes asked for.
   */
  readonly pValue: number | undefined
  /** True where the estimates agree within chance and the test finds nothing at 5 %. */
  readonly labelShiftExplains: boolean
}

/** Estimates of the classes' shares in the target under label shift, p_target(x | y) = p_source(x | y). */
export function estimateLabelShift(input: LabelShiftInput, options: LabelShiftOptions): LabelShift {
  const { random, replicates = 200 } = options
  const { source, target } = input
  const classes = source.logits.columns
  const held = argmaxRows(source.logits)
  const predictions = argmaxRows(target.logits)
  const { temperature } = fitTemperature(source.logits, source.labels)
  const probabilities = softmaxRows(target.logits, temperature)
  const prior = Float64Array.from(input.prior ?? shares(source.labels, classes))

  const everything = (n: number) => Int32Array.from({ length: n }, (_, i) => i)
  const estimates = (from: Int32Array, to: Int32Array) => ({
    blackBox: blackBoxShares(held, source.labels, from, predictions, to, prior),
    expectation: expectationShares(
      to.length === target.logits.rows ? probabilities : takeRows(probabilities, to),
      prior,
    ),
  })
  const all = {
    blackBox: blackBoxShares(
      held,
      source.labels,
      everything(held.length),
      predictions,
      everything(predictions.length),
      prior,
    ),
    expectation: expectationShares(probabilities, prior),
  }
  const samples = Array.from({ length: classes }, () => new Float64Array(replicates))
  const spread: number[] = []
  for (let r = 0; r < replicates; r++) {
    const generator = random.fork('label-shift', r)
    const draw = (n: number) => Int32Array.from({ length: n }, () => generator.integer(n))
    const again = estimates(draw(held.length), draw(predictions.length))
    again.blackBox.forEach((share, k) => {
      samples[k]![r] = share
    })
    spread.push(totalVariation(again.blackBox, all.blackBox) + totalVariation(again.expectation, all.expectation))
  }
  const intervals = samples.map((values) => {
    const sorted = values.sort()
    return { low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) }
  })
  const between = totalVariation(all.blackBox, all.expectation)
  const allowed = quantile(
    spread.sort((a, b) => a - b),
    0.95,
  )
  const pValue = resampledTest(input, all.blackBox, random)
  return {
    prior,
    ...all,
    intervals,
    moved: intervals.flatMap(({ low, high }, k) => (prior[k]! < low || prior[k]! > high ? [k] : [])),
    consistency: {
      between,
      allowed,
      pValue,
      labelShiftExplains: between <= allowed && (pValue === undefined || pValue > 0.05),
    },
  }
}

/** Half the sum of |p - q|: the largest difference that the two give to any set of classes. */
export function totalVariation(p: ArrayLike<number>, q: ArrayLike<number>): number {
  let sum = 0
  for (let k = 0; k < p.length; k++) sum += Math.abs(p[k]! - q[k]!)
  return sum / 2
}

/**
 * Black box shift estimation (Lipton, Wang, Smola 2018, Detecting and Correcting for Label Shift with Black Box Predictors, arXiv
 * 1802.03916): q with sum_y P(predicted = i | y) q_y = share of i among the target's predictions, by least squares over distributions. A small ridge towards
 * the prior (Azizzadenesheli, Liu, Yang, Anandkumar 2019, arXiv 1903.09734) decides what the confusion matrix does not.
 */
export function blackBoxShares(
  held: ArrayLike<number>,
  labels: ArrayLike<number>,
  from: Int32Array,
  predictions: ArrayLike<number>,
  to: Int32Array,
  prior: Float64Array,
): Float64Array {
  const classes = prior.length
  const confusion = new Float64Array(classes * classes)
  const counts = new Float64Array(classes)
  for (const i of from) {
    const label = labels[i]!
    counts[label] = counts[label]! + 1
    confusion[held[i]! * classes + label] = confusion[held[i]! * classes + label]! + 1
  }
  for (let y = 0; y < classes; y++)
    for (let i = 0; i < classes; i++) {
      const at = i * classes + y
      // A class that no held-out sample has: taken to be told right.
      confusion[at] = counts[y]! > 0 ? confusion[at]! / counts[y]! : i === y ? 1 : 0
    }
  const observed = new Float64Array(classes)
  for (const i of to) observed[predictions[i]!] = observed[predictions[i]!]! + 1 / to.length
  return leastSquaresDistribution(confusion, observed, prior, 1e-3)
}

/**
 * Maximum likelihood shares (Saerens, Latinne, Decaestecker 2002, Adjusting the Outputs of a Classifier to New a Priori Probabilities): repeats
 * q_k = mean_i [p_ik q_k / prior_k] / sum_j [p_ij q_j / prior_j]. The probabilities should be calibrated (Alexandari, Kundaje, Shrikumar 2020,
 * arXiv 1901.06852).
 *
 * @param smoothing samples that each class is seen beforehand, so that no share becomes 0 on few samples
 */
export function expectationShares(
  probabilities: Matrix,
  prior: ArrayLike<number>,
  rounds = 200,
  smoothing = 0,
): Float64Array {
  const classes = probabilities.columns
  let q: Float64Array = Float64Array.from(prior)
  const posterior = new Float64Array(classes)
  for (let round = 0; round < rounds; round++) {
    const next = new Float64Array(classes).fill(smoothing)
    for (let i = 0; i < probabilities.rows; i++) {
      const p = row(probabilities, i)
      let sum = 0
      for (let k = 0; k < classes; k++) {
        posterior[k] = prior[k]! > 0 ? (p[k]! * q[k]!) / prior[k]! : 0
        sum += posterior[k]!
      }
      if (sum > 0) for (let k = 0; k < classes; k++) next[k] = next[k]! + posterior[k]! / sum
    }
    const total = next.reduce((sum, v) => sum + v, 0)
    if (!(total > 0)) return q
    let moved = 0
    for (let k = 0; k < classes; k++) {
      next[k] = next[k]! / total
      moved += Math.abs(next[k]! - q[k]!)
    }
    q = next
    if (moved < 1e-7) break
  }
  return q
}

/** MMD test of the target against as many source samples as there are in the estimated shares, without putting any back. */
function resampledTest(
  { source, target }: LabelShiftInput,
  estimate: Float64Array,
  random: Random,
): number | undefined {
  if (source.features === undefined || target.features === undefined) return undefined
  const classes = estimate.length
  const byClass = Array.from({ length: classes }, (): number[] => [])
  random
    .fork('label-shift-rows')
    .permutation(source.labels.length)
    .forEach((i) => {
      byClass[source.labels[i]!]!.push(i)
    })
  let size = source.labels.length
  for (let k = 0; k < classes; k++) if (estimate[k]! > 0.01) size = Math.min(size, byClass[k]!.length / estimate[k]!)
  const chosen = byClass.flatMap((rows, k) => rows.slice(0, Math.round(size * estimate[k]!)))
  if (chosen.length < 20 || target.features.rows < 2) return undefined
  return mmdTest(takeRows(source.features, chosen), target.features, { random, permutations: 199 }).pValue
}
