/**
 * The kernel of the discrepancy tests: a mean of Gaussians around the median distance, as in Long et al. 2015 (DAN), so that no one
 * width has to be right.
 */
import { quantile } from '../intervals.js'

/** Widths, as multiples of the median squared distance. */
const WIDTHS = [0.25, 0.5, 1, 2, 4]

/** Median of the squared distances above the diagonal of (n, n); 1 where all samples are equal. */
export function medianSquaredDistance(squared: Float32Array, n: number): number {
  // Every k-th pair is enough: a median of 200,000 distances is known to a fraction of a percent.
  const pairs = (n * (n - 1)) / 2
  const stride = Math.max(1, Math.floor(pairs / 200_000))
  const values: number[] = []
  let at = 0
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) if (at++ % stride === 0) values.push(squared[i * n + j]!)
  const median = quantile(Float64Array.from(values).sort(), 0.5)
  return median > 0 ? median : 1
}

/** mean over widths of exp(-d² / (width * median)), (n, n). */
export function gaussianKernel(squared: Float32Array, n: number): Float32Array {
  const median = medianSquaredDistance(squared, n)
  return squared.map((d) => {
    let sum = 0
    for (const width of WIDTHS) sum += Math.exp(-d / (width * median))
    return sum / WIDTHS.length
  })
}

/**
 * The unbiased estimate of MMD² between two groups of rows of one kernel matrix (Gretton et al. 2012, lemma 6):
 * sum_{i != j} k(x_i, x_j) / m(m - 1) + sum_{i != j} k(y_i, y_j) / n(n - 1) - 2 sum k(x_i, y_j) / mn.
 */
export function unbiasedMmd(
  kernel: Float32Array,
  size: number,
  first: ArrayLike<number>,
  second: ArrayLike<number>,
): number {
  const [m, n] = [first.length, second.length]
  const within = (group: ArrayLike<number>) => {
    let sum = 0
    for (let a = 0; a < group.length; a++) {
      const at = group[a]! * size
      for (let b = 0; b < a; b++) sum += kernel[at + group[b]!]!
    }
    return 2 * sum
  }
  let across = 0
  for (let a = 0; a < m; a++) {
    const at = first[a]! * size
    for (let b = 0; b < n; b++) across += kernel[at + second[b]!]!
  }
  return within(first) / (m * (m - 1)) + within(second) / (n * (n - 1)) - (2 * across) / (m * n)
}
