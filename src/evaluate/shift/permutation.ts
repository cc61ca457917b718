/**
 * Two-sample tests whose p-values come from permuting which sample is of which set: exact whatever the features' distribution, at
 * any size.
 */
import { GraftError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { someRows } from '../validators/someRows.js'
import { squaredDistances } from './distances.js'
import { gaussianKernel, unbiasedMmd } from './kernel.js'
import { stackRows } from './rows.js'

export interface TwoSampleOptions {
  readonly random: Random
  /** Permutations; the least p-value is 1 / (permutations + 1). @default 499 */
  readonly permutations?: number
  /** Samples of each set at most, drawn. @default 500 */
  readonly samples?: number
}

export interface TwoSampleTest {
  readonly statistic: number
  /** Share of permutations at least as large, with the observed one among them. */
  readonly pValue: number
  /** Samples that were compared, of each set. */
  readonly samples: readonly [number, number]
}

/**
 * Kernel two-sample test (Gretton, Borgwardt, Rasch, Schölkopf, Smola 2012, A Kernel Two-Sample Test, JMLR 13): the unbiased MMD² under
 * a mean of five Gaussians around the median distance.
 */
export function mmdTest(first: Matrix, second: Matrix, options: TwoSampleOptions): TwoSampleTest {
  return permutationTest(first, second, (squared, n) => gaussianKernel(squared, n), options)
}

/**
 * Energy test (Székely, Rizzo 2013, Energy statistics: A class of statistics based on distances): 2 E|X - Y| - E|X - X'| - E|Y - Y'|, which
 * is the MMD² of the kernel -|x - y|. Needs no width.
 */
export function energyTest(first: Matrix, second: Matrix, options: TwoSampleOptions): TwoSampleTest {
  return permutationTest(first, second, (squared) => squared.map((d) => -Math.sqrt(d)), options)
}

function permutationTest(
  first: Matrix,
  second: Matrix,
  kernelOf: (squared: Float32Array, n: number) => Float32Array,
  options: TwoSampleOptions,
): TwoSampleTest {
  const { random, permutations = 499, samples = 500 } = options
  checkTwoSamples(first, second)
  const a = someRows(first, samples, random.fork('two-sample', 'first'))
  const b = someRows(second, samples, random.fork('two-sample', 'second'))
  const n = a.rows + b.rows
  const kernel = kernelOf(squaredDistances(stackRows(a, b)), n)
  const order = Int32Array.from({ length: n }, (_, i) => i)
  const statistic = unbiasedMmd(kernel, n, order.subarray(0, a.rows), order.subarray(a.rows))
  const sums = pairSums(kernel, n)
  let atLeast = 1
  for (let round = 0; round < permutations; round++) {
    const shuffled = random.fork('permutation', round).permutation(n)
    if (mmdFromSums(kernel, n, shuffled.subarray(0, a.rows), sums) >= statistic - 1e-12) atLeast++
  }
  return { statistic, pValue: atLeast / (permutations + 1), samples: [a.rows, b.rows] }
}

interface PairSums {
  /** Sum of each row without its diagonal. */
  readonly rows: Float64Array
  /** Sum of all entries off the diagonal. */
  readonly total: number
}

function pairSums(kernel: Float32Array, n: number): PairSums {
  const rows = new Float64Array(n)
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (i !== j) rows[i] = rows[i]! + kernel[i * n + j]!
  return { rows, total: rows.reduce((sum, v) => sum + v, 0) }
}

/** The unbiased MMD² of a group against the rest, from the pairs inside the group alone. */
function mmdFromSums(kernel: Float32Array, n: number, group: Int32Array, { rows, total }: PairSums): number {
  const m = group.length
  const rest = n - m
  let inside = 0
  let touching = 0
  for (let a = 0; a < m; a++) {
    const at = group[a]! * n
    touching += rows[group[a]!]!
    for (let b = 0; b < a; b++) inside += kernel[at + group[b]!]!
  }
  inside *= 2
  const across = touching - inside
  const outside = total - inside - 2 * across
  return inside / (m * (m - 1)) + outside / (rest * (rest - 1)) - (2 * across) / (m * rest)
}

/** @throws GraftError where the sets have other features, too few samples, or numbers that are not finite. */
export function checkTwoSamples(first: Matrix, second: Matrix): void {
  if (first.columns !== second.columns) {
    throw new GraftError(`The first set has ${first.columns} features a sample, the second ${second.columns}.`, {
      remedy: 'Compute the features of both sets with the same backbone.',
    })
  }
  for (const [name, set] of [
    ['first', first],
    ['second', second],
  ] as const) {
    if (set.rows < 2) {
      throw new GraftError(`The ${name} set has ${set.rows} samples; a comparison needs at least 2.`, {
        remedy: 'Give more samples.',
      })
    }
    if (!set.data.every(Number.isFinite)) {
      throw new GraftError(`The ${name} set has features that are not finite numbers.`, {
        remedy: 'Look for damaged samples, or a backbone that overflows.',
      })
    }
  }
}
