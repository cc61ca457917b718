/** Whether several scores put the same candidates first. */

/** Ranks 1 ... n from the lowest to the highest value; equal values share their mean rank. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: values.length }, (_, i) => i).sort((a, b) => values[a]! - values[b]!)
  const out = new Float64Array(values.length)
  for (let from = 0; from < order.length; ) {
    let to = from
    while (to + 1 < order.length && values[order[to + 1]!] === values[order[from]!]) to++
    for (let k = from; k <= to; k++) out[order[k]!] = (from + to) / 2 + 1
    from = to + 1
  }
  return out
}

/** Spearman's rank correlation; undefined where one of the two does not vary. */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number | undefined {
  const [x, y] = [ranks(a), ranks(b)]
  const mean = (x.length + 1) / 2
  let [xy, xx, yy] = [0, 0, 0]
  for (let i = 0; i < x.length; i++) {
    xy += (x[i]! - mean) * (y[i]! - mean)
    xx += (x[i]! - mean) ** 2
    yy += (y[i]! - mean) ** 2
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : undefined
}

/**
 * Kendall's coefficient of concordance of m scores of n candidates, 0 (no agreement) ... 1 (one order), corrected for ties (Kendall, Babington Smith 1939):
 * W = (12 sum R_i² - 3 m² n (n + 1)²) / (m² n (n² - 1) - m sum T_j), R_i the sum of ranks, T_j = sum of t³ - t over ties. Undefined for fewer than
 * two scores or candidates, or where no score varies.
 */
export function kendallW(scores: readonly ArrayLike<number>[]): number | undefined {
  const m = scores.length
  const n = scores[0]?.length ?? 0
  if (m < 2 || n < 2) return undefined
  const sums = new Float64Array(n)
  let ties = 0
  for (const values of scores) {
    const own = ranks(values)
    own.forEach((r, i) => {
      sums[i] = sums[i]! + r
    })
    const sizes = new Map<number, number>()
    for (const r of own) sizes.set(r, (sizes.get(r) ?? 0) + 1)
    for (const size of sizes.values()) ties += size ** 3 - size
  }
  const square = sums.reduce((sum, r) => sum + r * r, 0)
  const bottom = m * m * n * (n * n - 1) - m * ties
  return bottom > 0 ? (12 * square - 3 * m * m * n * (n + 1) ** 2) / bottom : undefined
}
