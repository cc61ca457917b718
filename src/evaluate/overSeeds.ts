/** What a figure is over repeated runs that differ in their seed: its mean and how sure that is. */
import type { Interval } from './intervals.js'

export interface OverSeeds extends Interval {
  readonly values: readonly number[]
  readonly mean: number
  /** Of the runs, with n - 1 below the root; NaN for a single one. */
  readonly deviation: number
}

/**
 * Mean and Student's interval mean ± t deviation / sqrt(n) (Student 1908), t the quantile with n - 1 degrees of freedom. It says
 * where the mean of many more runs would lie; -Infinity ... Infinity for a single run.
 *
 * @param confidence @default 0.95
 */
export function overSeeds(values: readonly number[], confidence = 0.95): OverSeeds {
  const n = values.length
  if (n === 0) throw new RangeError('there are no values')
  const mean = values.reduce((a, b) => a + b, 0) / n
  if (n === 1)
    return { values, mean, deviation: Number.NaN, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
  const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (n - 1))
  const half = (studentQuantile((1 + confidence) / 2, n - 1) * deviation) / Math.sqrt(n)
  return { values, mean, deviation, low: mean - half, high: mean + half }
}

/** Second minus first, run by run, where both used the same seeds (and so the same splits): {@link overSeeds} of the differences. */
export function pairedOverSeeds(first: readonly number[], second: readonly number[], confidence = 0.95): OverSeeds {
  if (first.length !== second.length)
    throw new RangeError(`${first.length} runs cannot be paired with ${second.length}`)
  return overSeeds(
    second.map((value, i) => value - first[i]!),
    confidence,
  )
}

/** The t below which a share p of Student's distribution lies, for p above 1/2: bisection on its distribution function. */
export function studentQuantile(p: number, freedom: number): number {
  let low = 0
  let high = 1
  while (studentBelow(high, freedom) < p) high *= 2
  for (let step = 0; step < 80; step++) {
    const middle = (low + high) / 2
    if (studentBelow(middle, freedom) < p) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/**
 * The share of Student's distribution with a whole number of degrees of freedom below t >= 0, by its finite series (Abramowitz
 * and Stegun 1964, 26.7.3 and 26.7.4).
 */
function studentBelow(t: number, freedom: number): number {
  const angle = Math.atan(t / Math.sqrt(freedom))
  const cosine = Math.cos(angle)
  const odd = freedom % 2 === 1
  let term = odd ? cosine : 1
  let sum = freedom === 1 ? 0 : term
  for (let k = odd ? 3 : 2; k < freedom; k += 2) {
    term *= ((k - 1) / k) * cosine * cosine
    sum += term
  }
  const within = odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum
  return (1 + within) / 2
}
