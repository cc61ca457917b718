/** Least squares over distributions. */

/**
 * The nearest distribution to v: max(v - t, 0) with the t at which it sums to 1 (Duchi, Shalev-Shwartz, Singer, Chandra 2008, Efficient
 * Projections onto the l1-Ball).
 */
export function nearestDistribution(v: ArrayLike<number>): Float64Array {
  const falling = Float64Array.from(v).sort().reverse()
  let sum = 0
  let threshold = 0
  for (let k = 0; k < falling.length; k++) {
    sum += falling[k]!
    const t = (sum - 1) / (k + 1)
    if (falling[k]! - t > 0) threshold = t
  }
  return Float64Array.from(v, (x) => Math.max(0, x - threshold))
}

/**
 * The distribution q that minimises |A q - b|² + ridge |q - prior|², by accelerated projected gradient (Beck, Teboulle 2009).
 *
 * @param a (rows, columns) row-major
 */
export function leastSquaresDistribution(
  a: Float64Array,
  b: ArrayLike<number>,
  prior: ArrayLike<number>,
  ridge: number,
): Float64Array {
  const columns = prior.length
  const rows = b.length
  // The squared Frobenius norm bounds the curvature.
  const bound = a.reduce((sum, v) => sum + v * v, 0) + ridge
  let q: Float64Array = Float64Array.from(prior)
  let ahead = q
  let momentum = 1
  for (let round = 0; round < 2000; round++) {
    const residual = Float64Array.from({ length: rows }, (_, i) => {
      let sum = -b[i]!
      for (let j = 0; j < columns; j++) sum += a[i * columns + j]! * ahead[j]!
      return sum
    })
    const next = nearestDistribution(
      Float64Array.from({ length: columns }, (_, j) => {
        let gradient = ridge * (ahead[j]! - prior[j]!)
        for (let i = 0; i < rows; i++) gradient += a[i * columns + j]! * residual[i]!
        return ahead[j]! - gradient / bound
      }),
    )
    const following = (1 + Math.sqrt(1 + 4 * momentum * momentum)) / 2
    const share = (momentum - 1) / following
    ahead = next.map((v, j) => v + share * (v - q[j]!))
    momentum = following
    const moved = next.reduce((sum, v, j) => sum + Math.abs(v - q[j]!), 0)
    q = next
    if (moved < 1e-10) break
  }
  return q
}
