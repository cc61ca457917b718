/** Whether learning tasks together was worth it: delta-MTL, against models of one task each, on the same samples. */
import type { Random } from '../../base/random.js'
import { bootstrapInterval, type Interval } from '../intervals.js'
import { figureOf, higherIsBetter, type TaskScores } from './scores.js'

/** One task of the two systems. */
export interface TaskDelta extends Interval {
  readonly name: string
  readonly measure: TaskScores['measure']
  /** Of the single-task model and of the shared one. */
  readonly single: number
  readonly shared: number
  /** Shared minus single, or single minus shared of an error: positive is a gain. With its 95 % interval. */
  readonly gain: number
  /** The same as a part of `single`. */
  readonly relative: number
}

export interface DeltaMtl extends Interval {
  /**
   * Delta_m = 1/K sum_k (-1)^l_k (M_m,k - M_b,k) / M_b,k, l_k = 1 where lower is better (Maninis, Radosavovic and Kokkinos 2019,
   * "Attentive Single-Tasking of Multiple Tasks", arXiv:1904.08918). A share: 0.01 is one percent better. With its 95 % interval.
   */
  readonly delta: number
  readonly tasks: readonly TaskDelta[]
}

/**
 * @param shared of the model of all tasks, on the test samples
 * @param single of the models of one task each, the same tasks on the same samples in the same order
 * @param counted tasks over which the mean is taken. @default all
 * @param random for the paired bootstrap: samples are drawn with replacement, the same ones for both systems and all tasks
 */
export function deltaMtl(
  shared: readonly TaskScores[],
  single: readonly TaskScores[],
  random: Random,
  counted: readonly string[] = shared.map(({ name }) => name),
): DeltaMtl {
  const n = shared[0]?.numerator.length ?? 0
  const pairs = shared.map((own, k) => ({ own, other: single[k]! }))
  const sign = (scores: TaskScores) => (higherIsBetter(scores) ? 1 : -1)
  const relative = ({ own, other }: (typeof pairs)[number], rows?: Int32Array) => {
    const base = figureOf(other, rows)
    return (sign(own) * (figureOf(own, rows) - base)) / base
  }
  const mean = (rows?: Int32Array) => {
    // A task that a resample does not know says nothing in it.
    const found = pairs
      .filter(({ own }) => counted.includes(own.name))
      .map((pair) => relative(pair, rows))
      .filter(Number.isFinite)
    return found.reduce((sum, value) => sum + value, 0) / found.length
  }
  return {
    delta: mean(),
    ...bootstrapInterval(n, mean, random.fork('delta')),
    tasks: pairs.map((pair): TaskDelta => {
      const { own, other } = pair
      const gain = (rows?: Int32Array) => sign(own) * (figureOf(own, rows) - figureOf(other, rows))
      return {
        name: own.name,
        measure: own.measure,
        single: figureOf(other),
        shared: figureOf(own),
        gain: gain(),
        relative: relative(pair),
        ...bootstrapInterval(n, gain, random.fork('gain', own.name)),
      }
    }),
  }
}
