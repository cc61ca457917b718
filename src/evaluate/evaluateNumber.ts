/** Figures of a predicted number. */
import type { Random } from '../base/random.js'
import { bootstrapInterval, type Interval } from './intervals.js'

export interface NumberEvaluation {
  readonly kind: 'number'
  /** Number of samples. */
  readonly n: number
  /** A number is not right or wrong. */
  readonly accuracy?: undefined
  readonly accuracyInterval?: undefined
  /** 1 - sum (y - f)^2 / sum (y - mean)^2: 1 is perfect, 0 is no better than the mean of these samples; NaN where y does not vary. */
  readonly r2: number
  /** Percentile bootstrap, 95 %; as are the others. */
  readonly r2Interval: Interval
  /** Mean of |y - f|, in the number's own unit. */
  readonly mae: number
  readonly maeInterval: Interval
  /** Root of the mean of (y - f)^2. */
  readonly rmse: number
  /** Spearman's rank correlation; NaN where either does not vary. */
  readonly spearman: number
}

/**
 * @param predicted (N)
 * @param truth (N), all known
 * @throws RangeError where there are no samples
 */
export function evaluateNumber(
  predicted: ArrayLike<number>,
  truth: ArrayLike<number>,
  random: Random,
): NumberEvaluation {
  const n = truth.length
  if (n === 0) throw new RangeError('there is nothing to evaluate: no samples')
  if (predicted.length !== n) throw new RangeError(`${n} numbers but ${predicted.length} predictions`)
  const all = Int32Array.from({ length: n }, (_, i) => i)
  const mae = (rows: Int32Array) => rows.reduce((sum, i) => sum + Math.abs(truth[i]! - predicted[i]!), 0) / rows.length
  const r2 = (rows: Int32Array) => rSquared(predicted, truth, rows)
  return {
    kind: 'number',
    n,
    r2: r2(all),
    r2Interval: bootstrapInterval(n, r2, random.fork('r2')),
    mae: mae(all),
    maeInterval: bootstrapInterval(n, mae, random.fork('mae')),
    rmse: Math.sqrt(all.reduce((sum, i) => sum + (truth[i]! - predicted[i]!) ** 2, 0) / n),
    spearman: correlation(ranks(predicted), ranks(truth)),
  }
}

function rSquared(predicted: ArrayLike<number>, truth: ArrayLike<number>, rows: Int32Array): number {
  const mean = rows.reduce((sum, i) => sum + truth[i]!, 0) / rows.length
  let left = 0
  let spread = 0
  for (const i of rows) {
    left += (truth[i]! - predicted[i]!) ** 2
    spread += (truth[i]! - mean) ** 2
  }
  return spread === 0 ? Number.NaN : 1 - left / spread
}

/** From 1; equal values share the mean of their ranks. */
function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from(values, (_, i) => i).sort((a, b) => values[a]! - values[b]!)
  const found = new Float64Array(order.length)
  for (let k = 0; k < order.length; ) {
    let end = k
    while (end < order.length && values[order[end]!] === values[order[k]!]) end++
    for (let i = k; i < end; i++) found[order[i]!] = (k + 1 + end) / 2
    k = end
  }
  return found
}

function correlation(a: Float64Array, b: Float64Array): number {
  const n = a.length
  const [ma, mb] = [a.reduce((s, v) => s + v, 0) / n, b.reduce((s, v) => s + v, 0) / n]
  let [ab, aa, bb] = [0, 0, 0]
  a.forEach((v, i) => {
    ab += (v - ma) * (b[i]! - mb)
    aa += (v - ma) ** 2
    bb += (b[i]! - mb) ** 2
  })
  return aa === 0 || bb === 0 ? Number.NaN : ab / Math.sqrt(aa * bb)
}
