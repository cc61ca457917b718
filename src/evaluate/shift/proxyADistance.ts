/** How well a classifier tells two domains apart. */
import type { Matrix } from '../../base/matrix.js'
import { type Interval, wilsonInterval } from '../intervals.js'
import { type DomainClassifierOptions, domainError, domainProbabilities } from './domainClassifier.js'
import { checkTwoSamples } from './permutation.js'

export interface ProxyADistance {
  /** 2 (1 - 2 error), at least 0 and at most 2. */
  readonly distance: number
  /** Wilson's interval of the error, carried over. */
  readonly interval: Interval
  /** Held-out error of the classifier, each domain weighing half; 0.5 is chance. */
  readonly error: number
}

/**
 * Proxy A-distance 2 (1 - 2 error) (Ben-David, Blitzer, Crammer, Pereira 2006, Analysis of Representations for Domain Adaptation): near 0 where
 * the domains look alike, near 2 where each sample gives its domain away. The error is that of a logistic regression on the leading
 * principal components, by cross-validation.
 */
export function proxyADistance(first: Matrix, second: Matrix, options: DomainClassifierOptions): ProxyADistance {
  checkTwoSamples(first, second)
  return distanceOfError(domainError(domainProbabilities(first, second, options)), first.rows, second.rows)
}

/** @param error held-out, each domain weighing half */
export function distanceOfError(error: number, firstRows: number, secondRows: number): ProxyADistance {
  // Both halves count alike, so that the smaller domain decides how sure the error is: the harmonic mean of the sizes.
  const effective = (4 * firstRows * secondRows) / (firstRows + secondRows)
  const { low, high } = wilsonInterval(error * effective, effective)
  const distance = (e: number) => Math.min(2, Math.max(0, 2 * (1 - 2 * e)))
  return { distance: distance(error), interval: { low: distance(high), high: distance(low) }, error }
}
