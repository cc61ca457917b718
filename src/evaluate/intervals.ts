/**
 * How sure a figure is: Wilson's interval for shares, the bootstrap for everything else. Randomness is the caller's
 * generator, so that a report can be written twice with the same numbers.
 */
import type { Random } from '../base/random.js'

export interface Interval {
  readonly low: number
  readonly high: number
}

/** A difference between two systems on the same samples. */
export interface Difference extends Interval {
  /** Second minus first, on the samples themselves. */
  readonly difference: number
  /** Share of resamples in which the second is strictly better (ties count half). */
  readonly probabilityBetter: number
}

export interface BootstrapOptions {
  /** Default 1000. */
  readonly replicates?: number
  /** Default 0.95. */
  readonly confidence?: number
}

/**
 * Wilson's score interval for a share of `successes` among n (Wilson 1927):
 * (p + z²/2n ± z sqrt(p (1 - p) / n + z²/4n²)) / (1 + z²/n). The whole of [0, 1] where n is 0.
 */
export function wilsonInterval(successes: number, n: number, confidence = 0.95): Interval {
  if (n === 0) return { low: 0, high: 1 }
  const z = normalQuantile((1 + confidence) / 2)
  const p = successes / n
  const centre = p + (z * z) / (2 * n)
  const half = z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n))
  const scale = 1 + (z * z) / n
  return { low: successes === 0 ? 0 : (centre - half) / scale, high: successes === n ? 1 : (centre + half) / scale }
}

/**
 * Percentile bootstrap (Efron 1979): `statistic` of n indices drawn with replacement, many times over. Replicates that are
 * not finite are left out.
 */
export function bootstrapInterval(
  n: number,
  statistic: (indices: Int32Array) => number,
  random: Random,
  options: BootstrapOptions = {},
): Interval {
  const { replicates = 1000, confidence = 0.95 } = options
  const values: number[] = []
  const indices = new Int32Array(n)
  for (let r = 0; r < replicates; r++) {
    for (let i = 0; i < n; i++) indices[i] = random.integer(n)
    const value = statistic(indices)
    if (Number.isFinite(value)) values.push(value)
  }
  values.sort((a, b) => a - b)
  return { low: quantile(values, (1 - confidence) / 2), high: quantile(values, (1 + confidence) / 2) }
}

/** Percentile bootstrap interval of macro F1. */
export function macroF1Interval(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classes: number,
  random: Random,
  options: BootstrapOptions = {},
): Interval {
  return bootstrapInterval(
    labels.length,
    (indices) => resampledMacroF1(labels, predictions, classes, indices),
    random,
    options,
  )
}

/** Macro F1 of some samples without the whole confusion matrix, which is large where there are many classes. */
function resampledMacroF1(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classes: number,
  indices: Int32Array,
): number {
  const right = new Int32Array(classes)
  const occurrences = new Int32Array(classes)
  for (const i of indices) {
    const label = labels[i]!
    const prediction = predictions[i]!
    occurrences[label] = occurrences[label]! + 1
    occurrences[prediction] = occurrences[prediction]! + 1
    if (label === prediction) right[label] = right[label]! + 1
  }
  let sum = 0
  let present = 0
  for (let k = 0; k < classes; k++) {
    if (occurrences[k] === 0) continue
    sum += (2 * right[k]!) / occurrences[k]!
    present++
  }
  return sum / present
}

/**
 * Paired bootstrap of a difference: both systems are scored on the same resampled samples, which takes out what the two
 * have in common (Efron and Tibshirani 1993, 16). `first` and `second` are per-sample scores, e.g. 1 right and 0 wrong.
 */
export function pairedDifference(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  random: Random,
  options: BootstrapOptions = {},
): Difference {
  if (first.length !== second.length)
    throw new RangeError(`${first.length} scores against ${second.length}: they must be of the same samples`)
  const n = first.length
  const gaps = Float64Array.from({ length: n }, (_, i) => second[i]! - first[i]!)
  let better = 0
  let count = 0
  const interval = bootstrapInterval(
    n,
    (indices) => {
      let sum = 0
      for (const i of indices) sum += gaps[i]!
      better += sum > 0 ? 1 : sum === 0 ? 0.5 : 0
      count++
      return sum / n
    },
    random,
    options,
  )
  return { difference: gaps.reduce((sum, gap) => sum + gap, 0) / n, ...interval, probabilityBetter: better / count }
}

/** Quantile of ascending values, linear between neighbours (type 7, NumPy's default); NaN where there are none. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return Number.NaN
  const position = share * (sorted.length - 1)
  const below = Math.floor(position)
  const low = sorted[below]!
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!
  return low + (position - below) * (high - low)
}

/** Inverse of the standard normal distribution function, relative error below 1.2e-9 (Acklam 2003). */
export function normalQuantile(p: number): number {
  if (!(p > 0 && p < 1)) throw new RangeError(`a probability strictly between 0 and 1 is needed, got ${p}`)
  if (p > 0.5) return -normalQuantile(1 - p)
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p))
    return horner(TAIL_TOP, q) / (horner(TAIL_BOTTOM, q) * q + 1)
  }
  const q = p - 0.5
  const r = q * q
  return (horner(CENTRE_TOP, r) * q) / (horner(CENTRE_BOTTOM, r) * r + 1)
}

function horner(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0)
}

const CENTRE_TOP = [
  -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239,
]
const CENTRE_BOTTOM = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572]
const TAIL_TOP = [
  -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
]
const TAIL_BOTTOM = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416]
