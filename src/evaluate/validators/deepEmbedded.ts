import { densityRatio } from '../shift/domainClassifier.js'
import { crossEntropies } from './distributions.js'
import type { Validator } from './validator.js'

/**
 * Deep embedded validation: minus the importance-weighted cross-entropy of held-out source samples in the candidate's own features,
 * with a control variate: risk = mean(w l) + eta mean(w) - eta, eta = -cov(w l, w) / var(w). The density ratio w is that of a classifier
 * of trained-on source features against target features; without the former the score is undefined.
 */
export const deepEmbedded: Validator = {
  name: 'deep-embedded-validation',
  title: 'deep embedded validation (negative risk)',
  paper:
    'You, Wang, Long, Jordan 2019, Towards Accurate Model Selection in Deep Unsupervised Domain Adaptation, ICML (PMLR 97)',
  score: ({ source, train, target }, _, { random }) => {
    if (train === undefined || train.features.rows < 2 || source.labels.length < 2) return undefined
    const weights = densityRatio(train.features, target.features, source.features, random.fork('deep-embedded'))
    return -controlledRisk(weights, crossEntropies(source.logits, source.labels))
  },
}

/** mean(w l) + eta mean(w) - eta with the eta of least variance, eta = -cov(w l, w) / var(w); 0 where w does not vary. */
export function controlledRisk(weights: ArrayLike<number>, losses: ArrayLike<number>): number {
  const n = weights.length
  let meanWeight = 0
  let meanLoss = 0
  for (let i = 0; i < n; i++) {
    meanWeight += weights[i]! / n
    meanLoss += (weights[i]! * losses[i]!) / n
  }
  let covariance = 0
  let variance = 0
  for (let i = 0; i < n; i++) {
    const gap = weights[i]! - meanWeight
    covariance += gap * (weights[i]! * losses[i]! - meanLoss)
    variance += gap * gap
  }
  const eta = variance > 0 ? -covariance / variance : 0
  return meanLoss + eta * meanWeight - eta
}
