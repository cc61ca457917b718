/**
 * Whether a classifier's confidence means what it says, and the one-number remedy: temperature scaling
 * (Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks").
 */
import { argmaxRows, type Matrix, row } from '../base/matrix.js'

export interface Temperature {
  /** T of softmax(logits / T); above 1 where the model was too sure of itself. */
  readonly temperature: number
  /** Mean negative log-likelihood at T = 1, nats. */
  readonly nllBefore: number
  /** The same at the chosen T; never above `nllBefore`. */
  readonly nllAfter: number
  /** True where the best T lies at or beyond the end of the range searched: the samples do not determine it. */
  readonly atBound: boolean
}

const LOWEST = 0.05
const HIGHEST = 20

/**
 * The T in [0.05, 20] that minimises the mean negative log-likelihood of softmax(logits / T) on held-out logits (N, C).
 *
 * The loss is convex in 1 / T, so that its slope changes sign once: bisection on log T finds it whatever the scale of
 * the logits. Fit it on samples that trained nothing. Where every held-out sample is right, no T is best (ever sharper is
 * ever better); T = 1 is then kept and `atBound` says so.
 */
export function fitTemperature(logits: Matrix, labels: ArrayLike<number>): Temperature {
  if (labels.length !== logits.rows) throw new RangeError(`${labels.length} labels but ${logits.rows} rows of logits`)
  const nllBefore = nllAt(logits, labels, 1).loss
  if (logits.rows === 0) return { temperature: 1, nllBefore, nllAfter: nllBefore, atBound: true }
  let low = Math.log(LOWEST)
  let high = Math.log(HIGHEST)
  // The slope is with respect to 1 / T: positive means that a smaller 1 / T, a larger T, is better.
  const sharperIsBetter = nllAt(logits, labels, LOWEST).slope <= 0
  const softerIsBetter = nllAt(logits, labels, HIGHEST).slope >= 0
  if (sharperIsBetter) return { temperature: 1, nllBefore, nllAfter: nllBefore, atBound: true }
  if (softerIsBetter)
    return { temperature: HIGHEST, nllBefore, nllAfter: nllAt(logits, labels, HIGHEST).loss, atBound: true }
  for (let step = 0; step < 60 && high - low > 1e-10; step++) {
    const middle = (low + high) / 2
    if (nllAt(logits, labels, Math.exp(middle)).slope > 0) low = middle
    else high = middle
  }
  const temperature = Math.exp((low + high) / 2)
  return { temperature, nllBefore, nllAfter: nllAt(logits, labels, temperature).loss, atBound: false }
}

/** Mean of -log softmax(z / T)[label] and its derivative by 1 / T, E_p[z] - z[label], in double precision. */
function nllAt(logits: Matrix, labels: ArrayLike<number>, temperature: number): { loss: number; slope: number } {
  let loss = 0
  let slope = 0
  for (let i = 0; i < logits.rows; i++) {
    const z = row(logits, i)
    let max = Number.NEGATIVE_INFINITY
    for (const value of z) max = Math.max(max, value)
    let sum = 0
    let weighted = 0
    for (const value of z) {
      const e = Math.exp((value - max) / temperature)
      sum += e
      weighted += e * value
    }
    const own = z[labels[i]!]!
    loss += Math.log(sum) - (own - max) / temperature
    slope += weighted / sum - own
  }
  return { loss: loss / logits.rows, slope: slope / logits.rows }
}

/** One bar of a reliability diagram: samples whose confidence lies in (low, high]. */
export interface ReliabilityBin {
  readonly low: number
  readonly high: number
  readonly count: number
  /** Mean confidence of the samples, 0 where there are none. */
  readonly confidence: number
  /** Share of them that is right, 0 where there are none. */
  readonly accuracy: number
}

export interface Reliability {
  readonly bins: readonly ReliabilityBin[]
  /** Expected calibration error: sum over bins of (count / N) |accuracy - confidence|. */
  readonly ece: number
  /** Largest |accuracy - confidence| of a bin that has samples. */
  readonly maximumError: number
}

/** Reliability of the most probable class of probabilities (N, C), in equally wide bins (Guo 2017; 15 by default). */
export function reliability(probabilities: Matrix, labels: ArrayLike<number>, bins = 15): Reliability {
  if (labels.length !== probabilities.rows)
    throw new RangeError(`${labels.length} labels but ${probabilities.rows} rows of probabilities`)
  const counts = new Int32Array(bins)
  const confidences = new Float64Array(bins)
  const rights = new Int32Array(bins)
  const predictions = argmaxRows(probabilities)
  for (let i = 0; i < probabilities.rows; i++) {
    const confidence = row(probabilities, i)[predictions[i]!]!
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1))
    counts[bin] = counts[bin]! + 1
    confidences[bin] = confidences[bin]! + confidence
    if (predictions[i] === labels[i]) rights[bin] = rights[bin]! + 1
  }
  let ece = 0
  let maximumError = 0
  const made = Array.from(counts, (count, b) => {
    const confidence = count === 0 ? 0 : confidences[b]! / count
    const accuracy = count === 0 ? 0 : rights[b]! / count
    const gap = Math.abs(accuracy - confidence)
    ece += (count / Math.max(1, probabilities.rows)) * gap
    maximumError = Math.max(maximumError, gap)
    return { low: b / bins, high: (b + 1) / bins, count, confidence, accuracy }
  })
  return { bins: made, ece, maximumError }
}
