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

export type Verdict = 'ok' | 'kink?' | 'undecided' | 'wrong'

/** Why differences cannot judge a gradient. */
export const UNDECIDED = {
  flat: 'the loss moves less than float32 rounds',
  undefined: 'the loss is not a number beside these inputs',
  infinite: 'it is not finite, so it cannot be moved',
  rounded: 'a quantisation rounds it, and the gradient passes straight through by convention',
} as const

/** L at x + offset, for offsets that float32 can hold exactly as they are given. */
export type Loss = (moved: Float32Array) => Promise<number>

export interface Slope {
  /** <gradient, d> and the central difference at the step that agrees best, for the unit step h = 1. */
  readonly analytic: number
  readonly numeric: number
  /** |analytic - numeric| over the size that the slope can have. */
  readonly relative: number
  readonly verdict: Verdict
  /** Where undecided. */
  readonly reason?: string
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
const STEPS = [1e-2, 1e-3, 1e-4, 3e-3, 3e-4, 3e-5]
/** Tried where rounding hides the loss's change at all of these. */
const LONG_STEPS = [3e-2, 1e-1, 3e-1]
/** From here down a slope of one side alone counts: curvature is nothing, and a kink on the other side says nothing. */
const ONE_SIDED = 1e-3
/** Rounding of float32 outputs, some units in the last place: a network sums in many orders. */
const ROUNDING = 4 * 2 ** -24
/** Slopes whose rounding is above this part of their size say nothing by themselves. */
const RELIABLE = 0.1
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
  /** In units of {@link STEPS}. */
  readonly step: number
  readonly analytic: number
  readonly central: number
  readonly forward: number
  readonly backward: number
  /** How far rounding may take a slope from the truth. */
  readonly rounding: number
}

/** A slope beside the gradient's. */
interface Agreement {
  readonly slope: number
  readonly off: number
  /** The size that the slope can have. */
  readonly scale: number
  readonly rounding: number
}

/** The gradient is exactly zero and the loss does not move at all: below a threshold, between two steps. */
const ZERO: Slope = { analytic: 0, numeric: 0, relative: 0, verdict: 'ok' }

/** Judges one direction. */
export async function judgeDirection(judging: Judging, d: Float64Array): Promise<Slope> {
  const { gradient, terms, tolerance } = judging
  let size = 0
  for (const [i, value] of d.entries()) size += Math.abs(value * (gradient[i] as number))
  // The step at which the loss changes by about the size of its terms, but never a multiple of the parameter.
  const unit = size > 0 ? Math.min(1, terms / size) : 1
  const trials: Trial[] = []
  for (const step of [...STEPS, ...LONG_STEPS]) {
    if (step > STEPS[0]! && trials.some((trial) => isReliable(trial, size))) break
    const trial = await tryStep(judging, d, step, unit)
    if (!trial) continue
    trials.push(trial)
    if (size === 0 && trial.forward === 0 && trial.backward === 0) return ZERO
    if (!isReliable(trial, size)) continue
    const best = agreement(trial, size)
    if (best.off <= tolerance * best.scale + best.rounding) return slopeOf(trial, best, 'ok')
  }
  return judged(trials, size, tolerance)
}

async function tryStep(
  { at, gradient, loss, base, terms }: Judging,
  d: Float64Array,
  step: number,
  unit: number,
): Promise<Trial | undefined> {
  const h = step * unit
  const up = at.map((value, i) => value + h * (d[i] as number))
  const down = at.map((value, i) => value - h * (d[i] as number))
  // float32 rounds the steps: the distances that were really gone are what counts.
  let analytic = 0
  for (let i = 0; i < at.length; i++) analytic += (gradient[i] as number) * ((up[i] as number) - (down[i] as number))
  const [above, below] = [await loss(up), await loss(down)]
  const trial: Trial = {
    step,
    analytic: analytic / (2 * h),
    central: (above - below) / (2 * h),
    forward: (above - base) / h,
    backward: (base - below) / h,
    rounding: (ROUNDING * terms) / h,
  }
  return Number.isFinite(trial.central) ? trial : undefined
}

/** The slope of a step that is nearest to the gradient's. */
function agreement({ step, analytic, central, forward, backward, rounding }: Trial, size: number): Agreement {
  const slopes = step <= ONE_SIDED ? [central, forward, backward] : [central]
  const off = (slope: number) => Math.abs(analytic - slope)
  const slope = slopes.reduce((best, one) => (off(one) < off(best) ? one : best))
  return { slope, off: off(slope), scale: Math.max(Math.abs(analytic), Math.abs(central), size / 4), rounding }
}

const isReliable = (trial: Trial, size: number): boolean =>
  trial.rounding <= RELIABLE * Math.max(Math.abs(trial.analytic), Math.abs(trial.central), size / 4)

function slopeOf(trial: Trial, { slope, off, scale }: Agreement, verdict: Verdict): Slope {
  // Zero against zero agrees.
  return { analytic: trial.analytic, numeric: slope, relative: scale === 0 ? 0 : off / scale, verdict }
}

/** The verdict where no step agreed. */
function judged(trials: readonly Trial[], size: number, tolerance: number): Slope {
  const reliable = trials.filter((trial) => isReliable(trial, size))
  let best: { trial: Trial; found: Agreement } | undefined
  for (const trial of reliable.length > 0 ? reliable : trials) {
    const found = agreement(trial, size)
    if (!best || found.off / found.scale < best.found.off / best.found.scale) best = { trial, found }
  }
  if (!best)
    return {
      analytic: Number.NaN,
      numeric: Number.NaN,
      relative: Number.NaN,
      verdict: 'undecided',
      reason: UNDECIDED.undefined,
    }
  const { trial, found } = best
  if (reliable.length > 0) return slopeOf(trial, found, kinked(reliable, size, tolerance) ? 'kink?' : 'wrong')
  if (found.off <= tolerance * found.scale) return slopeOf(trial, found, 'ok')
  if (found.off <= found.rounding) return { ...slopeOf(trial, found, 'undecided'), reason: UNDECIDED.flat }
  return slopeOf(trial, found, 'wrong')
}

/** How near to each other slopes lie where the loss is smooth, in tolerances. */
const SETTLED = 4
/** So many of the shortest steps are looked at. */
const SHORTEST = 3

/**
 * Whether the slopes look as they do around kinks: those of both sides and of the shortest steps do not settle, and the
 * gradient is no further from them than they are from each other.
 */
function kinked(trials: readonly Trial[], size: number, tolerance: number): boolean {
  const shortest = [...trials].sort((a, b) => a.step - b.step).slice(0, SHORTEST)
  const slopes = shortest.flatMap(({ central, forward, backward }) => [central, forward, backward])
  const first = shortest[0] as Trial
  const [low, high] = [Math.min(...slopes), Math.max(...slopes)]
  const spread = high - low
  const slack = tolerance * agreement(first, size).scale + first.rounding
  return spread > SETTLED * slack && first.analytic >= low - spread / 2 && first.analytic <= high + spread / 2
}
