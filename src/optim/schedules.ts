/**
 * Learning-rate schedules: pure functions of the step. A schedule gives the factor by which the base rate is multiplied at
 * step `step` (from 0) of `total`; a resumed run asks for the same step and gets the same rate.
 */
import { UsageError } from '../base/errors.js'

/** The factor of the base rate at a step, 0 <= step < total. */
export type Schedule = (step: number, total: number) => number

/** factor = 1. */
export function constant(): Schedule {
  return () => 1
}

export interface StepOptions {
  /** Steps between two drops; a number below 1 is a fraction of the run. @default 1/3 */
  readonly every?: number
  /** What each drop multiplies the rate by. @default 0.1 */
  readonly gamma?: number
}

/** factor = gamma^floor(step / every) (`torch.optim.lr_scheduler.StepLR`). */
export function step(options: StepOptions = {}): Schedule {
  const { every = 1 / 3, gamma = 0.1 } = options
  if (!(every > 0)) throw new UsageError(`step schedule: "every" is ${every}; expected a number above 0.`)
  return (at, total) => gamma ** Math.floor(at / Math.max(1, every < 1 ? Math.round(every * total) : every))
}

export interface DecayOptions {
  /** The factor at the end of the run. @default 0 */
  readonly final?: number
}

/**
 * factor = final + (1 - final) (1 + cos(pi step / total)) / 2 (Loshchilov and Hutter 2017, SGDR, without restarts;
 * `torch.optim.lr_scheduler.CosineAnnealingLR` with T_max = total).
 */
export function cosine(options: DecayOptions = {}): Schedule {
  const { final = 0 } = options
  return (at, total) => final + (1 - final) * 0.5 * (1 + Math.cos((Math.PI * at) / total))
}

/** factor = 1 + (final - 1) step / total (`torch.optim.lr_scheduler.LinearLR` from 1 to final). */
export function linear(options: DecayOptions = {}): Schedule {
  const { final = 0 } = options
  return (at, total) => 1 + ((final - 1) * at) / total
}

export interface OneCycleOptions {
  /** Share of the run in which the rate rises. @default 0.3 */
  readonly rise?: number
  /** The rate starts at 1 / startDivisor. @default 25 */
  readonly startDivisor?: number
  /** The rate ends at 1 / (startDivisor * endDivisor). @default 1e4 */
  readonly endDivisor?: number
}

/**
 * One cycle (Smith 2018, "A disciplined approach to neural network hyper-parameters"; Smith and Topin 2019): the rate rises
 * along half a cosine from 1 / startDivisor to 1, then falls along another to 1 / (startDivisor endDivisor), which it
 * reaches at the last step (`torch.optim.lr_scheduler.OneCycleLR`, two phases). It is its own warm-up.
 */
export function oneCycle(options: OneCycleOptions = {}): Schedule {
  const { rise = 0.3, startDivisor = 25, endDivisor = 1e4 } = options
  if (!(rise >= 0 && rise < 1)) throw new UsageError(`one-cycle schedule: "rise" is ${rise}; expected 0 <= rise < 1.`)
  const start = 1 / startDivisor
  const end = start / endDivisor
  const anneal = (from: number, to: number, done: number) => to + ((from - to) / 2) * (1 + Math.cos(Math.PI * done))
  return (at, total) => {
    const last = Math.max(total - 1, 1)
    const peak = rise * total - 1
    if (at <= peak) return anneal(start, 1, at / peak)
    const from = Math.max(peak, 0)
    return last > from ? anneal(1, end, Math.min(1, (at - from) / (last - from))) : end
  }
}

export interface WarmUpOptions {
  /** Steps of warm-up; a number below 1 is a fraction of the run, rounded down. @default 0.1 */
  readonly steps?: number
}

/**
 * Linear warm-up, then the schedule over what is left: factor = (step + 1) / w for step < w, and
 * schedule(step - w, total - w) after it (Goyal et al. 2017).
 */
export function warmUp(schedule: Schedule, options: WarmUpOptions = {}): Schedule {
  const { steps = 0.1 } = options
  if (!(steps >= 0)) throw new UsageError(`warm-up: "steps" is ${steps}; expected 0 or more.`)
  return (at, total) => {
    const warm = warmUpSteps(steps, total)
    return at < warm ? (at + 1) / warm : schedule(at - warm, total - warm)
  }
}

/** How many steps of a run warm up. A run never warms up for all of it. */
export function warmUpSteps(steps: number, total: number): number {
  const warm = Math.floor(steps < 1 ? steps * total + 1e-9 : steps)
  return Math.max(0, Math.min(warm, total - 1))
}

export interface InversePowerOptions {
  /** @default 10 */
  readonly alpha?: number
  /** @default 0.75 */
  readonly beta?: number
}

/** factor = (1 + alpha step / total)^-beta, as the papers of domain adaptation have it (Ganin et al. 2016, arXiv:1505.07818). */
export function inversePower(options: InversePowerOptions = {}): Schedule {
  const { alpha = 10, beta = 0.75 } = options
  return (at, total) => (1 + (alpha * at) / total) ** -beta
}

/** The schedules by the name that options and the command line use, with their defaults. */
export const SCHEDULES = Object.freeze({
  constant,
  step,
  cosine,
  linear,
  'one-cycle': oneCycle,
  'inverse-power': inversePower,
}) satisfies Record<string, () => Schedule>

export type ScheduleName = keyof typeof SCHEDULES

/** A schedule from its name (its defaults) or the value itself. */
export function resolveSchedule(schedule: ScheduleName | Schedule): Schedule {
  if (typeof schedule === 'function') return schedule
  const factory = Object.hasOwn(SCHEDULES, schedule) ? SCHEDULES[schedule] : undefined
  if (factory) return factory()
  throw new UsageError(`There is no schedule "${String(schedule)}".`, {
    remedy: `Choose one of ${Object.keys(SCHEDULES).join(', ')}.`,
  })
}

/**
 * Discriminative rates (Howard and Ruder 2018, ULMFiT): factor_l = decay^(L - l) for layer l = 0 ... L, so that the last
 * layer, the head, has 1 and each earlier one a `decay` times smaller rate.
 *
 * @param layers number of layers, L + 1
 * @param decay xi, the ratio between neighbours; ULMFiT uses 1 / 2.6. @default 1 / 2.6
 */
export function layerDecay(layers: number, decay = 1 / 2.6): number[] {
  return Array.from({ length: layers }, (_, l) => decay ** (layers - 1 - l))
}
