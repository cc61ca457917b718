/** KMM: importance that gives the weighted source the target's mean in the space of a kernel. */
import type { Matrix } from '../../../base/matrix.js'
import { takeRows } from '../../../base/matrix.js'
import { squaredDistances } from '../../../evaluate/shift/distances.js'
import { medianSquaredDistance } from '../../../evaluate/shift/kernel.js'
import { stackRows } from '../../../evaluate/shift/rows.js'
import { commonCoordinates, type ImportanceEstimator, withMeanOne } from './importance.js'

/** B: the paper has 1000, with which a handful of samples carries everything where the domains hardly overlap. */
const LARGEST_WEIGHT = 10
/** Source samples whose weights are found together; more are found in groups, each against the whole target. */
const GROUP = 2000
const MOST_TARGETS = 2000
const MOST_ROUNDS = 500

/**
 * The w that minimise norm(mean over i of w_i k(x_i) - mean over j of k(y_j))^2 with 0 <= w_i <= B and |mean w - 1| <= e, that is
 * w^T K w / 2 - kappa^T w with kappa_i = (N / M) sum over j of k(x_i, y_j) (Huang, Smola, Gretton, Borgwardt and Schoelkopf 2007,
 * "Correcting Sample Selection Bias by Unlabeled Data", NIPS). k is a Gaussian whose standard deviation is the median distance, B is
 * 10, e is (sqrt(N) - 1) / sqrt(N) / 10. More than 2,000 source samples are weighed in random groups of as many (Miao, Farahat and
 * Kamel 2015, "Ensemble Kernel Mean Matching", ICDM); of more target samples as many are drawn.
 */
export const kernelMeanMatching: ImportanceEstimator = (source, target, options) => {
  const places = commonCoordinates(source, target, options)
  const random = options.random.fork('kernel-mean-matching')
  const targets = someRows(places.target, random.fork('target').permutation(target.rows).slice(0, MOST_TARGETS))
  const order = random.fork('source').permutation(source.rows)
  const groups = Math.ceil(source.rows / GROUP)
  const found = new Float64Array(source.rows)
  for (let k = 0; k < groups; k++) {
    const own = order.filter((_, at) => at % groups === k).sort()
    const weights = match(takeRows(places.source, own), targets)
    own.forEach((sample, i) => {
      found[sample] = weights[i]!
    })
  }
  return withMeanOne(found)
}

const someRows = (m: Matrix, rows: Int32Array): Matrix => (rows.length === m.rows ? m : takeRows(m, rows.sort()))

function match(source: Matrix, target: Matrix): Float64Array {
  const n = source.rows
  const joined = stackRows(source, target)
  const width = 2 * medianSquaredDistance(squaredDistances(joined), joined.rows)
  const kernel = squaredDistances(source).map((d) => Math.exp(-d / width))
  const across = squaredDistances(source, target)
  const wanted = Float64Array.from({ length: n }, (_, i) => {
    let sum = 0
    for (let j = 0; j < target.rows; j++) sum += Math.exp(-across[i * target.rows + j]! / width)
    return (n * sum) / target.rows
  })
  const slack = (Math.sqrt(n) - 1) / Math.sqrt(n) / 10
  return boundedQuadratic(kernel, wanted, { largest: LARGEST_WEIGHT, least: n * (1 - slack), most: n * (1 + slack) })
}

export interface Bounds {
  /** Of each entry, from 0. */
  readonly largest: number
  /** Of the sum of all. */
  readonly least: number
  readonly most: number
}

/**
 * The w with the least w^T K w / 2 - k^T w within the bounds, by projected gradients with momentum that starts again where it leads
 * uphill (Beck and Teboulle 2009; O'Donoghue and Candes 2015).
 *
 * @param kernel K, (N, N), symmetric, without negative eigenvalues
 * @param linear k, (N)
 */
export function boundedQuadratic(kernel: Float32Array, linear: Float64Array, bounds: Bounds): Float64Array {
  const n = linear.length
  // No eigenvalue is above the largest sum of a row's sizes.
  let steepest = 0
  for (let i = 0; i < n; i++) {
    let sum = 0
    for (let j = 0; j < n; j++) sum += Math.abs(kernel[i * n + j]!)
    steepest = Math.max(steepest, sum)
  }
  const slope = (w: Float64Array) =>
    linear.map((k, i) => {
      let sum = 0
      for (let j = 0; j < n; j++) sum += kernel[i * n + j]! * w[j]!
      return sum - k
    })
  let weights = project(new Float64Array(n).fill(1), bounds)
  let ahead = weights
  let momentum = 1
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const down = slope(ahead)
    const next = project(
      ahead.map((w, i) => w - down[i]! / steepest),
      bounds,
    )
    const change = next.map((w, i) => w - weights[i]!)
    const uphill = change.reduce((sum, d, i) => sum + d * down[i]!, 0) > 0
    const grown = uphill ? 1 : (1 + Math.sqrt(1 + 4 * momentum * momentum)) / 2
    const push = uphill ? 0 : (momentum - 1) / grown
    ahead = next.map((w, i) => w + push * change[i]!)
    weights = next
    momentum = grown
    if (change.every((d) => Math.abs(d) < 1e-6 * bounds.largest)) break
  }
  return weights
}

/** The nearest point within the bounds: every entry less the same amount, clipped. */
function project(point: Float64Array, { largest, least, most }: Bounds): Float64Array {
  const clipped = (by: number) => point.map((w) => Math.min(largest, Math.max(0, w - by)))
  const sumOf = (values: Float64Array) => values.reduce((sum, w) => sum + w, 0)
  const sum = sumOf(clipped(0))
  if (sum >= least && sum <= most) return clipped(0)
  const wanted = sum > most ? most : least
  const top = point.reduce((a, b) => Math.max(a, b))
  const bottom = point.reduce((a, b) => Math.min(a, b))
  let [low, high] = [bottom - largest, top]
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (sumOf(clipped(middle)) > wanted) low = middle
    else high = middle
  }
  return clipped((low + high) / 2)
}
