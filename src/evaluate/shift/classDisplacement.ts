/** Which classes moved in the features, and how far. */
import { type Matrix, row } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { type Interval, quantile } from '../intervals.js'

export interface ClassDisplacement {
  readonly class: number
  /** Samples of the class: labelled ones of the source, predicted ones of the target. */
  readonly samples: readonly [number, number]
  /**
   * Distance of the class's means in the two sets, in typical deviations of a sample from its class's mean in the source; what sampling
   * alone would give is taken off. Undefined with fewer than two samples in either set.
   */
  readonly distance: number | undefined
  /** 95 %, by the bootstrap over both sets. */
  readonly interval: Interval | undefined
  /** True where the interval lies above 0. */
  readonly moved: boolean
}

/**
 * For each class: sqrt(max(0, |m_s - m_t|² - v_s / n_s - v_t / n_t)) / sqrt(v), v the mean squared distance of source samples from their class's mean. Labels of the
 * target are a model's predictions, so what is called a class there is what the model takes for it.
 */
export function classDisplacements(
  source: { readonly features: Matrix; readonly labels: ArrayLike<number> },
  target: { readonly features: Matrix; readonly labels: ArrayLike<number> },
  classes: number,
  options: { readonly random: Random; readonly replicates?: number },
): ClassDisplacement[] {
  const { random, replicates = 200 } = options
  const first = rowsByClass(source.labels, classes)
  const second = rowsByClass(target.labels, classes)
  const within = first.map((rows) => (rows.length > 1 ? moments(source.features, rows) : undefined))
  const degrees = first.reduce((sum, rows) => sum + Math.max(0, rows.length - 1), 0)
  const typical =
    within.reduce((sum, m, k) => sum + (m === undefined ? 0 : m.variance * (first[k]!.length - 1)), 0) /
    Math.max(1, degrees)
  return Array.from({ length: classes }, (_, k): ClassDisplacement => {
    const [a, b] = [first[k]!, second[k]!]
    const samples = [a.length, b.length] as const
    if (a.length < 2 || b.length < 2 || !(typical > 0))
      return { class: k, samples, distance: undefined, interval: undefined, moved: false }
    const gap = (from: readonly number[], to: readonly number[], times = 1) =>
      squaredGap(moments(source.features, from), from.length, moments(target.features, to), to.length, times)
    const generator = random.fork('displacement', k)
    const drawn = (rows: readonly number[]) => rows.map(() => rows[generator.integer(rows.length)]!)
    // A resample's means scatter about the samples' means as those do about the truth: sampling counts twice.
    const values = Float64Array.from({ length: replicates }, () => gap(drawn(a), drawn(b), 2) / typical).sort()
    const root = (v: number) => Math.sqrt(Math.max(0, v))
    const low = quantile(values, 0.025)
    return {
      class: k,
      samples,
      distance: root(gap(a, b) / typical),
      interval: { low: root(low), high: root(quantile(values, 0.975)) },
      moved: low > 0,
    }
  })
}

interface Moments {
  readonly mean: Float64Array
  /** Sum over features of the unbiased variance. */
  readonly variance: number
}

function moments(features: Matrix, rows: readonly number[]): Moments {
  const d = features.columns
  const mean = new Float64Array(d)
  for (const i of rows) {
    const x = row(features, i)
    for (let j = 0; j < d; j++) mean[j] = mean[j]! + x[j]! / rows.length
  }
  let square = 0
  for (const i of rows) {
    const x = row(features, i)
    for (let j = 0; j < d; j++) square += (x[j]! - mean[j]!) ** 2
  }
  return { mean, variance: square / Math.max(1, rows.length - 1) }
}

function squaredGap(a: Moments, n: number, b: Moments, m: number, times: number): number {
  let square = 0
  for (let j = 0; j < a.mean.length; j++) square += (a.mean[j]! - b.mean[j]!) ** 2
  return square - times * (a.variance / n + b.variance / m)
}

function rowsByClass(labels: ArrayLike<number>, classes: number): number[][] {
  const out = Array.from({ length: classes }, (): number[] => [])
  for (let i = 0; i < labels.length; i++) out[labels[i]!]!.push(i)
  return out
}
