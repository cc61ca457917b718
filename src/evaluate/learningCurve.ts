/**
 * Error against number of labels as an inverse power law, err(n) = a n^-b + c, and what it says about more labels
 * (Hestness et al. 2017; Viering and Loog 2023 on where such laws hold). It answers only what the measurements support: few
 * sizes, a flat curve or a far target give a refusal with its reason, not a number.
 */
import type { Random } from '../base/random.js'
import { grouped, percent } from './format.js'
import { quantile } from './intervals.js'

/** One measured point of a learning curve; several points may share a size (repeats with other seeds). */
export interface LearningPoint {
  /** Number of training labels, at least 1. */
  readonly labels: number
  /** Share of wrong answers on held-out samples. */
  readonly error: number
  /** Standard error of `error`, e.g. {@link binomialError}. Default: estimated from the scatter around the fit. */
  readonly standardError?: number | undefined
}

/** err(n) = a n^-b + c, with a >= 0, b in [0.02, 3], c >= 0. */
export interface PowerLaw {
  readonly a: number
  readonly b: number
  readonly c: number
}

export interface LearningCurveFit extends PowerLaw {
  /** Fits to points redrawn within their errors: the uncertainty of everything derived from the fit. */
  readonly replicates: readonly PowerLaw[]
  readonly smallest: number
  readonly largest: number
  /** Weighted root mean square of error minus fit. */
  readonly residual: number
  /** Why the fit must not be extrapolated; undefined where it may be. */
  readonly refusal: string | undefined
}

export interface Estimate {
  readonly value: number
  readonly low: number
  readonly high: number
}

/** The answer to "how many labels for this error?". */
export type LabelsNeeded =
  | { readonly kind: 'reached'; readonly labels: number }
  | ({ readonly kind: 'estimate' } & Estimate)
  /** A best guess with a lower end, but no upper end that the measurements support. */
  | { readonly kind: 'rough'; readonly value: number; readonly atLeast: number }
  | { readonly kind: 'refused'; readonly reason: string; readonly atLeast?: number }

/** Furthest extrapolation, as a multiple of the largest measured size. */
export const FURTHEST = 10
const LOWEST_POWER = 0.02
const HIGHEST_POWER = 3
const GRID = 48

/** Standard error of a share among n samples, sqrt(p (1 - p) / n), with p drawn towards 1/2 by one sample each way so that 0 of n is not certain. */
export function binomialError(error: number, n: number): number {
  const p = (error * n + 1) / (n + 2)
  return Math.sqrt((p * (1 - p)) / n)
}

/** How a learning curve's uncertainty is drawn. */
export interface LearningCurveOptions {
  /** Default 400. */
  readonly replicates?: number
  /**
   * Draws all points' errors again, in the points' order. Give it where the points share their held-out samples: their noise
   * is then common to them, which moves the curve up and down far more than it bends it. Default: each point's own normal
   * noise, independent of the others'. The scatter around the fit is added to either.
   */
  readonly redraw?: ((random: Random) => readonly number[]) | undefined
}

/**
 * Fits the power law by weighted least squares (a and c in closed form for each b) and refits redrawn points for the
 * uncertainty.
 */
export function fitLearningCurve(
  points: readonly LearningPoint[],
  random: Random,
  options: LearningCurveOptions = {},
): LearningCurveFit {
  for (const { labels, error } of points) {
    if (!(labels >= 1) || !(error >= 0 && error <= 1)) {
      throw new RangeError(
        `a learning-curve point needs labels >= 1 and an error from 0 to 1, got ${labels} and ${error}`,
      )
    }
  }
  if (points.length === 0) throw new RangeError('a learning curve needs at least one point')
  const sizes = [...new Set(points.map((point) => point.labels))].sort((x, y) => x - y)
  const sizesOf = points.map((point) => point.labels)
  const errors = points.map((point) => point.error)
  const rough = solve(
    sizesOf,
    errors,
    errors.map(() => 1),
  )
  const scatter = Math.sqrt(squares(rough, sizesOf, errors) / Math.max(1, points.length - 3))
  const spreads = points.map((point) => Math.max(point.standardError ?? 0, scatter, 1e-4))
  const weights = spreads.map((spread) => spread ** -2)
  const fit = solve(sizesOf, errors, weights)
  const replicates = Array.from({ length: options.replicates ?? 400 }, (_, r) => {
    const stream = random.fork('learning curve', r)
    const drawn = options.redraw?.(stream)
    const values = sizesOf.map((n, i) =>
      drawn === undefined
        ? errorAt(fit, n) + spreads[i]! * stream.normal()
        : errorAt(fit, n) + drawn[i]! - errors[i]! + scatter * stream.normal(),
    )
    return solve(sizesOf, values, weights)
  })
  const smallest = sizes[0]!
  const largest = sizes.at(-1)!
  const drop = errorAt(fit, smallest) - errorAt(fit, largest)
  const drops = replicates.map((law) => errorAt(law, smallest) - errorAt(law, largest))
  const noise = Math.sqrt(drops.reduce((sum, value) => sum + (value - drop) ** 2, 0) / Math.max(1, drops.length))
  let refusal: string | undefined
  if (sizes.length < 4)
    refusal = `only ${sizes.length} different numbers of labels were measured, and the law has three unknowns: at least 4 are needed`
  else if (largest < 4 * smallest)
    refusal = `the measured numbers of labels (${grouped(smallest)} to ${grouped(largest)}) span less than a factor of 4`
  else if (drop < 2 * noise)
    refusal = `the error fell by ${percent(drop)} from ${grouped(smallest)} to ${grouped(largest)} labels, which is within the noise (${percent(2 * noise)})`
  const residual = Math.sqrt(squares(fit, sizesOf, errors) / points.length)
  return { ...fit, replicates, smallest, largest, residual, refusal }
}

/** err(n) of a law. */
export function errorAt(law: PowerLaw, labels: number): number {
  return law.a * labels ** -law.b + law.c
}

/** Error at n labels with a percentile interval over the replicates, within [0, 1]. */
export function predictError(fit: LearningCurveFit, labels: number, confidence = 0.9): Estimate {
  const values = fit.replicates.map((law) => errorAt(law, labels)).sort((x, y) => x - y)
  return {
    value: clamp(errorAt(fit, labels)),
    low: clamp(quantile(values, (1 - confidence) / 2)),
    high: clamp(quantile(values, (1 + confidence) / 2)),
  }
}

/**
 * The number of labels at which the error falls to `target`: a e^-b + c = target solved for e, with a percentile interval.
 * Refused where the fit may not be extrapolated, where the law levels off above the target, or where the answer lies beyond
 * {@link FURTHEST} times the largest measured size; only rough, without an upper end, where that end lies beyond.
 */
export function labelsForError(fit: LearningCurveFit, target: number, confidence = 0.9): LabelsNeeded {
  if (errorAt(fit, fit.largest) <= target) {
    return { kind: 'reached', labels: Math.max(fit.smallest, Math.ceil(inverse(fit, target))) }
  }
  if (fit.refusal !== undefined) return { kind: 'refused', reason: fit.refusal }
  const needed = fit.replicates.map((law) => inverse(law, target)).sort((x, y) => x - y)
  const low = finiteQuantile(needed, (1 - confidence) / 2)
  const high = finiteQuantile(needed, (1 + confidence) / 2)
  const value = inverse(fit, target)
  const limit = FURTHEST * fit.largest
  const atLeast = Math.ceil(Math.max(low, fit.largest))
  if (value <= limit && high <= limit) {
    return { kind: 'estimate', value: Math.ceil(value), low: atLeast, high: Math.ceil(high) }
  }
  if (value <= limit) return { kind: 'rough', value: Math.ceil(value), atLeast }
  if (fit.c >= target) {
    const reason = `the curve levels off at an error of about ${percent(fit.c)}, above the target of ${percent(target)}: more labels of this kind alone are not expected to reach it`
    return { kind: 'refused', reason }
  }
  const reason = `the law's answer (${rounded(value)} labels) lies beyond ${FURTHEST} times the ${grouped(fit.largest)} labels measured, where it is not trusted`
  return low <= limit ? { kind: 'refused', reason, atLeast } : { kind: 'refused', reason }
}

/** The n with err(n) = target; infinite where the law never gets there. */
function inverse({ a, b, c }: PowerLaw, target: number): number {
  if (a === 0) return c <= target ? 1 : Number.POSITIVE_INFINITY
  return target <= c ? Number.POSITIVE_INFINITY : Math.max(1, (a / (target - c)) ** (1 / b))
}

/** Quantile that stays defined where part of the sorted values is infinite: the upper neighbour. */
function finiteQuantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * (sorted.length - 1)))] ?? Number.POSITIVE_INFINITY
}

/** Least squares over b: a grid on log b, then golden sections around its best point. */
function solve(sizes: readonly number[], errors: readonly number[], weights: readonly number[]): PowerLaw {
  const at = (t: number) => linearFit(sizes, errors, weights, Math.exp(t))
  const first = Math.log(LOWEST_POWER)
  const step = (Math.log(HIGHEST_POWER) - first) / (GRID - 1)
  let best = 0
  let bestCost = Number.POSITIVE_INFINITY
  for (let g = 0; g < GRID; g++) {
    const { cost } = at(first + g * step)
    if (cost < bestCost) {
      best = g
      bestCost = cost
    }
  }
  let low = first + Math.max(0, best - 1) * step
  let high = first + Math.min(GRID - 1, best + 1) * step
  const golden = (Math.sqrt(5) - 1) / 2
  for (let i = 0; i < 40; i++) {
    const left = high - golden * (high - low)
    const right = low + golden * (high - low)
    if (at(left).cost < at(right).cost) high = right
    else low = left
  }
  const { a, b, c } = at((low + high) / 2)
  return { a, b, c }
}

/** Best a >= 0 and c >= 0 for one b. */
function linearFit(
  sizes: readonly number[],
  errors: readonly number[],
  weights: readonly number[],
  b: number,
): PowerLaw & { cost: number } {
  let sw = 0
  let sx = 0
  let sxx = 0
  let sy = 0
  let sxy = 0
  for (let i = 0; i < sizes.length; i++) {
    const w = weights[i]!
    const x = sizes[i]! ** -b
    const y = errors[i]!
    sw += w
    sx += w * x
    sxx += w * x * x
    sy += w * y
    sxy += w * x * y
  }
  const determinant = sw * sxx - sx * sx
  let a = determinant > 1e-12 * sw * sxx ? (sw * sxy - sx * sy) / determinant : 0
  let c = (sy - a * sx) / sw
  if (a < 0) {
    a = 0
    c = sy / sw
  } else if (c < 0) {
    c = 0
    a = sxy / sxx
  }
  c = Math.max(0, c)
  let cost = 0
  for (let i = 0; i < sizes.length; i++) cost += weights[i]! * (errors[i]! - a * sizes[i]! ** -b - c) ** 2
  return { a: Math.max(0, a), b, c, cost }
}

function squares(law: PowerLaw, sizes: readonly number[], errors: readonly number[]): number {
  return sizes.reduce((sum, n, i) => sum + (errors[i]! - errorAt(law, n)) ** 2, 0)
}

function clamp(x: number): number {
  return Math.min(1, Math.max(0, x))
}

function rounded(n: number): string {
  if (!Number.isFinite(n)) return 'no number of'
  return n > 1e6 ? 'over a million' : grouped(Number(n.toPrecision(2)))
}
