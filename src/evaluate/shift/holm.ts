/** Several tests at once. */

/**
 * Holm's adjusted p-values (Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure): rejecting where they are at most alpha errs with
 * any true hypothesis in at most a share alpha of uses, however the tests depend on each other.
 */
export function holm(pValues: ArrayLike<number>): Float64Array {
  const n = pValues.length
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => pValues[a]! - pValues[b]!)
  const out = new Float64Array(n)
  let largest = 0
  order.forEach((i, rank) => {
    largest = Math.max(largest, Math.min(1, (n - rank) * pValues[i]!))
    out[i] = largest
  })
  return out
}
