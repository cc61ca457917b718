/**
 * The target as the source's classes, moved together, drawn together or apart, and become more or less frequent: a location-scale model of
 * conditional and label shift (Zhang, Schölkopf, Muandet, Wang 2013, Domain Adaptation under Target and Conditional Shift, PMLR 28), fitted by expectation
 * maximisation. It looks at features only, never at a candidate's predictions, and so judges all of them alike.
 */
import { type Matrix, matrix, row } from '../../base/matrix.js'

export interface MovedClasses {
  /** Share of each class, (C). */
  readonly shares: Float64Array
  /** How far the class means lie apart, against the source: 1 as far. */
  readonly scale: number
  /** Variance of a sample around its class's mean in each direction; about 1 in the source. */
  readonly variance: number
  /** Mean log-likelihood a sample, nats. */
  readonly logLikelihood: number
  /** Probability of each class for each sample, (N, C). */
  readonly posterior: Matrix
}

export interface MovedClassesOptions {
  /** Where the iteration begins; also the shares where they are held. */
  readonly shares: ArrayLike<number>
  /** Where all means are moved to begin with, (d). */
  readonly offset: ArrayLike<number>
  /** Hold the shares as they are given. */
  readonly holdShares?: boolean
  /** Hold the scale at 1. */
  readonly holdScale?: boolean
}

/** The scale's range: below it the classes cannot be told apart any more. */
export const LEAST_SCALE = 0.2
const MOST_SCALE = 1.5
/** No class is narrower: the likelihood would grow without bound around a few equal samples. */
const LEAST_VARIANCE = 0.3
const ROUNDS = 150

/**
 * Fits z ~ sum_k q_k N(a mu_k + b, s I) to coordinates (N, d), with q, a, b and s free but for what is held. One sample is added to each class, so
 * that none vanishes for good.
 *
 * @param means mu, (C, d); a class whose mean is NaN has share 0
 */
export function fitMovedClasses(z: Matrix, means: Matrix, options: MovedClassesOptions): MovedClasses {
  const { rows: n, columns: d } = z
  const classes = means.rows
  const exists = Array.from({ length: classes }, (_, k) => !Number.isNaN(means.data[k * d]!))
  const present = exists.filter(Boolean).length
  const mu = means.data.map((v) => (Number.isNaN(v) ? 0 : v))
  let shares = Float64Array.from(options.shares, (q, k) => (exists[k] ? q : 0))
  let offset = Float64Array.from(options.offset)
  let scale = 1
  let variance = 1
  let logLikelihood = Number.NEGATIVE_INFINITY
  const responsibility = new Float64Array(n * classes)
  const centre = new Float64Array(d)
  for (let i = 0; i < n; i++) for (let j = 0; j < d; j++) centre[j] = centre[j]! + z.data[i * d + j]! / n
  for (let round = 0; round < ROUNDS; round++) {
    const before = logLikelihood
    logLikelihood = respond(z, mu, shares, offset, scale, variance, responsibility)
    const weight = new Float64Array(classes)
    for (let i = 0; i < n; i++)
      for (let k = 0; k < classes; k++) weight[k] = weight[k]! + responsibility[i * classes + k]!
    if (!options.holdShares) shares = weight.map((w, k) => (exists[k] ? (w + 1) / (n + present) : 0))
    // The mean of the classes' means as the samples divide among them.
    const middle = new Float64Array(d)
    for (let k = 0; k < classes; k++)
      for (let j = 0; j < d; j++) middle[j] = middle[j]! + (weight[k]! / n) * mu[k * d + j]!
    if (!options.holdScale) {
      let along = 0
      let square = 0
      for (let k = 0; k < classes; k++)
        for (let j = 0; j < d; j++) square += weight[k]! * (mu[k * d + j]! - middle[j]!) ** 2
      for (let i = 0; i < n; i++)
        for (let k = 0; k < classes; k++) {
          const r = responsibility[i * classes + k]!
          if (r < 1e-12) continue
          for (let j = 0; j < d; j++) along += r * (mu[k * d + j]! - middle[j]!) * (z.data[i * d + j]! - centre[j]!)
        }
      if (square > 0) scale = Math.min(MOST_SCALE, Math.max(LEAST_SCALE, along / square))
    }
    offset = centre.map((c, j) => c - scale * middle[j]!)
    variance = Math.max(LEAST_VARIANCE, spread(z, mu, offset, scale, responsibility) / (n * d))
    if (Math.abs(logLikelihood - before) < 1e-8) break
  }
  logLikelihood = respond(z, mu, shares, offset, scale, variance, responsibility)
  return { shares, scale, variance, logLikelihood, posterior: matrix(n, classes, Float32Array.from(responsibility)) }
}

/** Fills in P(k | z_i); returns the mean log-likelihood. */
function respond(
  z: Matrix,
  mu: Float32Array,
  shares: Float64Array,
  offset: Float64Array,
  scale: number,
  variance: number,
  out: Float64Array,
): number {
  const d = z.columns
  const classes = shares.length
  const logShares = shares.map((q) => (q > 0 ? Math.log(q) : Number.NEGATIVE_INFINITY))
  const constant = -0.5 * d * Math.log(2 * Math.PI * variance)
  let total = 0
  for (let i = 0; i < z.rows; i++) {
    const x = row(z, i)
    let max = Number.NEGATIVE_INFINITY
    for (let k = 0; k < classes; k++) {
      let square = 0
      for (let j = 0; j < d; j++) square += (x[j]! - scale * mu[k * d + j]! - offset[j]!) ** 2
      const value = logShares[k]! - square / (2 * variance)
      out[i * classes + k] = value
      max = Math.max(max, value)
    }
    let sum = 0
    for (let k = 0; k < classes; k++) {
      const e = Math.exp(out[i * classes + k]! - max)
      out[i * classes + k] = e
      sum += e
    }
    for (let k = 0; k < classes; k++) out[i * classes + k] = out[i * classes + k]! / sum
    total += max + Math.log(sum) + constant
  }
  return total / z.rows
}

/** sum_i sum_k r_ik |z_i - a mu_k - b|². */
function spread(
  z: Matrix,
  mu: Float32Array,
  offset: Float64Array,
  scale: number,
  responsibility: Float64Array,
): number {
  const d = z.columns
  const classes = mu.length / d
  let total = 0
  for (let i = 0; i < z.rows; i++)
    for (let k = 0; k < classes; k++) {
      const r = responsibility[i * classes + k]!
      if (r < 1e-12) continue
      let square = 0
      for (let j = 0; j < d; j++) square += (z.data[i * d + j]! - scale * mu[k * d + j]! - offset[j]!) ** 2
      total += r * square
    }
  return total
}
