/**
 * Holding a gradient against central differences: along a direction d, is <gradient, d> the slope of the loss?
 *
 *   (L(x + h d) - L(x - h d)) / 2h
 *
 * The loss is summed in float64 from float32 outputs, so a difference carries their rounding; networks with ReLU and max
 * pooling have kinks. Neither may be called a wrong gradient, so several steps are tried: a long one drowns the rounding, a
 * short one avoids kinks, and a right gradient agrees with one of them. What is left is judged by whether the slopes on the
 * two sides of x differ (a kink at x itself) and by whether the slopes settle as the step shrinks.
 */
import type { Random } from '../../base/random.js'

export type Verdict = 'ok' | 'kink?' | 'flat' | 'wrong'

/** L at x + offset, for offsets that float32 can hold exactly as they are given. */
export type Loss = (moved: Float32Array) => Promise<number>

export interface Slope {
  /** <gradient, d> and the central difference at the step that agrees best, for the unit step h = 1. */
  readonly analytic: number
  readonly numeric: number
  /** |analytic - numeric| over the size that the slope can have. */
  readonly relative: number
  readonly verdict: Verdict
}

export interface Judging {
  readonly at: Float32Array
  readonly gradient: Float32Array
  readonly loss: Loss
  /** L at `at`. */
  readonly base: number
  /** sqrt of the sum of squares of the terms that L is summed from. */
  readonly terms: number
  readonly tolerance: number
}

/**
 * Steps in units in which the loss changes by about its own size, best first: 1% is far above the rounding and, mostly, far
 * below the next kink.
 */
const STEPS = [1e-2, 1e-3, 1e-1, 3e-3, 3e-4, 3e-2]
/** Rounding of float32 outputs, several units in the last place: a network sums in many orders. */
const ROUNDING = 16 * 2 ** -24
/** Slopes whose rounding is above this part of their size say nothing by themselves. */
const RELIABLE = 0.2
/** A shift of a value of zero, where there is no size to go by. */
const UNIT = 0.1

/**
 * Random, and every entry in proportion to the parameter's own. Every other direction lies in the gradient's orthant, where
 * no two terms of the slope cancel and every entry of the gradient counts.
 */
export function direction(at: Float32Array, gradient: Float32Array, k: number, random: Random): Float64Array {
  let squares = 0
  for (const value of at) squares += value * value
  const size = Math.sqrt(squares / Math.max(1, at.length))
  const floor = size > 0 ? UNIT * size : UNIT
  return Float64Array.from(at, (value, i) => {
    const own = Math.sign(gradient[i] as number)
    const coin = random.uniform() < 0.5 ? -1 : 1
    return (k % 2 === 0 && own !== 0 ? own : coin) * random.uniform(0.5, 1.5) * (Math.abs(value) + floor)
  })
}

interface Trial {
  /** The step as a multiple of d. */
  readonly h: number
  readonly analytic: number
  readonly central: number
  readonly forward: number
  readonly backward: number
  readonly rounding: number
}

/** Judges one direction. */
export async function judgeDirection(judging: Judging, d: Float64Array): Promise<Slope> {
  const { gradient, terms, tolerance } = judging
  let size = 0
  for (const [i, value] of d.entries()) size += Math.abs(value * (gradient[i] as number))
  // The step at which the loss changes by about the size of its terms, but never a multiple of the parameter.
  const unit = size > 0 ? Math.min(1, terms / size) : 1
  const trials: Trial[] = []
  for (const step of STEPS) {
    const trial = await tryStep(judging, d, step * unit)
    if (!trial) continue
    trials.push(trial)
    const { off, scale } = distance(trial, size)
    if (trial.rounding <= RELIABLE * scale && off <= tolerance * scale + trial.rounding) break
  }
  return verdictOf(trials, size, tolerance)
}

async function tryStep({ at, gradient, loss, base, terms }: Judging, d: Float64Array, h: number) {
  const up = at.map((value, i) => value + h * (d[i] as number))
  const down = at.map((value, i) => value - h * (d[i] as number))
  // float32 rounds the steps: the distances that were really gone are what counts.
  let analytic = 0
  for (let i = 0; i < at.length; i++) analytic += (gradient[i] as number) * ((up[i] as number) - (down[i] as number))
  const [above, below] = [await loss(up), await loss(down)]
  const trial: Trial = {
    h,
    analytic: analytic / (2 * h),
    central: (above - below) / (2 * h),
    forward: (above - base) / h,
    backward: (base - below) / h,
    rounding: (ROUNDING * terms) / h,
  }
  return Number.isFinite(trial.central) ? trial : undefined
}

function distance({ analytic, central }: Trial, size: number): { off: number; scale: number } {
  return { off: Math.abs(analytic - central), scale: Math.max(Math.abs(analytic), Math.abs(central), size / 4) }
}

function verdictOf(trials: readonly Trial[], size: number, tolerance: number): Slope {
  const reliable = trials.filter((trial) => trial.rounding <= RELIABLE * distance(trial, size).scale)
  const judged = reliable.length > 0 ? reliable : trials
  let best: { trial: Trial; relative: number } | undefined
  for (const trial of judged) {
    const { off, scale } = distance(trial, size)
    // Zero against zero agrees.
    const relative = scale === 0 ? 0 : off / scale
    if (!best || relative < best.relative) best = { trial, relative }
  }
  if (!best) return { analytic: Number.NaN, numeric: Number.NaN, relative: Number.NaN, verdict: 'wrong' }
  const { analytic, central, rounding } = best.trial
  const slope = { analytic, numeric: central, relative: best.relative }
  const { off, scale } = distance(best.trial, size)
  if (off <= tolerance * scale + (reliable.length > 0 ? rounding : 0)) return { ...slope, verdict: 'ok' }
  if (reliable.length === 0) return { ...slope, verdict: off <= rounding ? 'flat' : 'wrong' }
  return { ...slope, verdict: kinked(reliable, size, tolerance) ? 'kink?' : 'wrong' }
}

/** How near to each other two short steps' slopes lie where the loss is smooth, in tolerances. */
const SETTLED = 5

/**
 * Whether the slopes look as they do at a kink: at the shortest steps the slopes of both sides differ and the gradient lies
 * between them, or slopes do not settle as the step shrinks and the gradient is no further away than they are from each other.
 */
function kinked(trials: readonly Trial[], size: number, tolerance: number): boolean {
  const shortest = [...trials].sort((a, b) => a.h - b.h)
  const first = shortest[0] as Trial
  const { scale, off } = distance(first, size)
  const slack = tolerance * scale + 2 * first.rounding
  const [low, high] = [Math.min(first.forward, first.backward), Math.max(first.forward, first.backward)]
  if (high - low > SETTLED * slack && first.analytic >= low - slack && first.analytic <= high + slack) return true
  const second = shortest[1]
  if (!second) return false
  const spread = Math.abs(first.central - second.central)
  return spread > SETTLED * slack && off <= 2 * spread
}
