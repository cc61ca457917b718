/** Tests on one number a sample: Kolmogorov and Smirnov's for any difference, Mann and Whitney's for one that tends to be larger. */

export interface RankTest {
  readonly statistic: number
  readonly pValue: number
}

/**
 * Two-sample Kolmogorov-Smirnov test: D = max |F_a - F_b|, and its p-value from the limit 2 sum_k (-1)^(k-1) exp(-2 k² t²) at
 * t = (sqrt(e) + 0.12 + 0.11 / sqrt(e)) D, e = nm / (n + m) (Stephens 1970). Good from about 8 samples a side.
 */
export function kolmogorovSmirnov(a: ArrayLike<number>, b: ArrayLike<number>): RankTest {
  const x = Float64Array.from(a).sort()
  const y = Float64Array.from(b).sort()
  let [i, j, d] = [0, 0, 0]
  while (i < x.length && j < y.length) {
    const value = Math.min(x[i]!, y[j]!)
    while (i < x.length && x[i]! <= value) i++
    while (j < y.length && y[j]! <= value) j++
    d = Math.max(d, Math.abs(i / x.length - j / y.length))
  }
  const root = Math.sqrt((x.length * y.length) / (x.length + y.length))
  return { statistic: d, pValue: kolmogorovTail((root + 0.12 + 0.11 / root) * d) }
}

function kolmogorovTail(t: number): number {
  // The alternating series converges slowly near 0, where the answer is 1 to all digits shown.
  if (t < 0.2) return 1
  let sum = 0
  for (let k = 1; k <= 100; k++) sum += (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * k * k * t * t)
  return Math.min(1, Math.max(0, sum))
}

/**
 * One-sided Mann-Whitney test that b tends to be larger than a; the statistic is the share of pairs in which it is (ties half): the area
 * under the ROC curve. Normal approximation with the correction for ties and for continuity.
 */
export function mannWhitney(a: ArrayLike<number>, b: ArrayLike<number>): RankTest {
  const [n, m] = [a.length, b.length]
  const values = Float64Array.from({ length: n + m }, (_, i) => (i < n ? a[i]! : b[i - n]!))
  const order = Array.from(values.keys()).sort((i, j) => values[i]! - values[j]!)
  let ranks = 0
  let ties = 0
  for (let from = 0; from < order.length; ) {
    let to = from
    while (to + 1 < order.length && values[order[to + 1]!] === values[order[from]!]) to++
    const size = to - from + 1
    ties += size ** 3 - size
    for (let k = from; k <= to; k++) if (order[k]! >= n) ranks += (from + to) / 2 + 1
    from = to + 1
  }
  const u = ranks - (m * (m + 1)) / 2
  const total = n + m
  const variance = ((n * m) / 12) * (total + 1 - ties / (total * (total - 1)))
  const pValue = variance > 0 ? normalTail((u - (n * m) / 2 - 0.5) / Math.sqrt(variance)) : 1
  return { statistic: u / (n * m), pValue }
}

/** P(Z > z) of the standard normal: erfc by the fit of Numerical Recipes (Press et al. 1992, 6.2), relative error below 1.2e-7. */
export function normalTail(z: number): number {
  const x = Math.abs(z) / Math.SQRT2
  const t = 1 / (1 + x / 2)
  let poly = 0
  for (const c of ERFC) poly = poly * t + c
  const erfc = t * Math.exp(-x * x + poly)
  return z >= 0 ? erfc / 2 : 1 - erfc / 2
}

const ERFC = [
  0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
  -1.26551223,
]
