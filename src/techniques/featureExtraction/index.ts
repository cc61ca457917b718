/** Classifiers on the features of a frozen backbone, by name. */
import { UsageError } from '../../base/errors.js'
import { nearestName } from '../../base/nearest.js'
import type { Classifier } from './classifier.js'
import { knn } from './knn.js'
import { lda } from './lda.js'
import { linearProbe } from './linearProbe.js'
import { mlpHead } from './mlpHead.js'
import { nearestMean } from './nearestMean.js'
import { ridge } from './ridge.js'

/** Every classifier with its defaults. */
export const CLASSIFIERS = Object.freeze({
  'linear-probe': linearProbe,
  knn,
  'nearest-mean': nearestMean,
  ridge,
  lda,
  'mlp-head': mlpHead,
}) satisfies Record<string, () => Classifier>

export type ClassifierName = keyof typeof CLASSIFIERS

/** A classifier from its name (its defaults) or the value itself. */
export function resolveClassifier(classifier: ClassifierName | Classifier): Classifier {
  if (typeof classifier !== 'string') return classifier
  if (Object.hasOwn(CLASSIFIERS, classifier)) return CLASSIFIERS[classifier]()
  const names = Object.keys(CLASSIFIERS)
  const near = nearestName(classifier, names)
  throw new UsageError(`There is no classifier "${String(classifier)}".`, {
    remedy:
      near === undefined
        ? `Choose one of ${names.join(', ')}.`
        : `Did you mean ${near}? There are ${names.join(', ')}.`,
  })
}

export type { Classifier, FitOptions, FittedClassifier, LinearHead, OutOfFold } from './classifier.js'
export { appendHead, type HeadNodes } from './headNodes.js'
export { type FittedKnn, type KnnOptions, knn } from './knn.js'
export { type FittedLda, type LdaOptions, lda } from './lda.js'
export { type FittedLinearProbe, type LinearProbeOptions, linearProbe } from './linearProbe.js'
export { type FittedMlpHead, type MlpHeadOptions, mlpHead } from './mlpHead.js'
export { type FittedNearestMean, nearestMean } from './nearestMean.js'
export type { PenaltyScore } from './penaltySearch.js'
export { type FittedRidge, type RidgeOptions, ridge } from './ridge.js'
