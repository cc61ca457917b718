/** How far out single samples are, against what a saved model remembers of its training data. */
import type { Matrix } from '../../base/matrix.js'
import type { FeatureStatistics } from './featureStatistics.js'
import { OUTLIER_SCORES, type OutlierScore, outlierScores } from './outlierScores.js'

export interface Outlyingness {
  /** The score of each sample, (N). */
  readonly scores: Float64Array
  /**
   * Share of the calibration samples at least as far out, with the sample itself among them, (N): a p-value for "drawn like the training
   * data" (Bates, Candès, Lei, Romano, Sesia 2023, Testing for Outliers with Conformal p-values, arXiv 2104.08279).
   */
  readonly pValues: Float64Array
}

/**
 * Scores of samples against a saved model's statistics. Scores on logits are given where both the statistics and the samples have
 * logits.
 */
export function outOfDistribution(
  statistics: FeatureStatistics,
  samples: { readonly features: Matrix; readonly logits?: Matrix },
): Partial<Record<OutlierScore, Outlyingness>> {
  const found = outlierScores(statistics, samples)
  const out: Partial<Record<OutlierScore, Outlyingness>> = {}
  for (const name of Object.keys(OUTLIER_SCORES) as OutlierScore[]) {
    const scores = found[name]
    const calibration = statistics.calibration[name]
    if (scores === undefined || calibration === undefined) continue
    out[name] = { scores, pValues: scores.map((s) => (1 + countAtLeast(calibration, s)) / (calibration.length + 1)) }
  }
  return out
}

/**
 * The score above which a sample counts as out of distribution: at most a share `rate` of samples like the calibration ones lie above it.
 * Infinite where there are too few to say so, fewer than 1 / rate - 1.
 */
export function outlierThreshold(statistics: FeatureStatistics, score: OutlierScore, rate = 0.05): number | undefined {
  const calibration = statistics.calibration[score]
  if (calibration === undefined) return undefined
  const place = Math.ceil((calibration.length + 1) * (1 - rate))
  return place > calibration.length ? Number.POSITIVE_INFINITY : calibration[place - 1]!
}

/** How many of ascending values are at least s. */
function countAtLeast(sorted: ArrayLike<number>, s: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < s) low = middle + 1
    else high = middle
  }
  return sorted.length - low
}
