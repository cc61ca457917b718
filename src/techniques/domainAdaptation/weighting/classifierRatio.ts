/** Importance by a classifier of the two domains. */
import { domainProbabilities } from '../../../evaluate/shift/domainClassifier.js'
import type { ImportanceEstimator } from './importance.js'
import { withMeanOne } from './importance.js'

/** Odds beyond these are no longer told apart by a classifier of a few thousand samples. */
const MOST = 1e3

/**
 * w(x) = p(target | x) / p(source | x), the odds of a logistic regression that weighs both domains alike, each sample judged by one that
 * did not see it (Bickel, Brueckner and Scheffer 2007, "Discriminative Learning for Differing Training and Test Distributions", ICML).
 * Odds are bounded by 1000.
 */
export const classifierRatio: ImportanceEstimator = (source, target, { random, components }) => {
  const { second, firstRows } = domainProbabilities(source, target, {
    random: random.fork('classifier-ratio'),
    ...(components === undefined ? {} : { components }),
  })
  return withMeanOne(second.subarray(0, firstRows).map((p) => Math.min(MOST, p / Math.max(1 - p, 1e-12))))
}
