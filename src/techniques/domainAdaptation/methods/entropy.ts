/** Entropy minimisation and information maximisation on the target. */
import { UsageError } from '../../../base/errors.js'
import { informationMaximisation, meanEntropy } from '../../../losses/domain/entropy.js'
import { shares } from '../../../losses/weighted.js'
import type { Emitter } from '../../../ops/operator.js'
import type { AdaptationMethod } from '../method.js'
import { type RampedWeight, targetTerm } from './targetTerm.js'

export type EntropyOptions = RampedWeight

/**
 * L + weight r mean over target of H(softmax(z)), r the ramp (Grandvalet and Bengio 2004, "Semi-supervised Learning by Entropy
 * Minimization", NIPS). Nothing keeps it from predicting one class for all: information maximisation is the safer form.
 */
export function entropyMinimisation(options: EntropyOptions = {}): AdaptationMethod {
  const { weight = 0.1, ramp = true } = options
  return targetTerm({
    name: 'entropy',
    title: 'Entropy minimisation',
    paper: 'Grandvalet and Bengio 2004, Semi-supervised Learning by Entropy Minimization, NIPS',
    options: { weight, ramp },
    weight,
    ramp,
    loss: (g, logits, counts) => meanEntropy(g, logits, part(g, counts)),
  })
}

export interface InformationOptions extends RampedWeight {
  /** Of the evenness of the predictions beside their sureness; less where the target's classes are uneven. @default 1 */
  readonly balance?: number
}

/**
 * L + weight r (mean over target of H(p) - balance H(mean over target of p)), p = softmax(z), r the ramp: the negative mutual
 * information of sample and prediction (Krause, Perona and Gomes 2010, "Discriminative Clustering by Regularized Information Maximization",
 * NIPS; for adaptation Shi and Sha 2012, arXiv:1206.6438). It presumes that the target's classes are about equally frequent.
 */
export function informationMaximising(options: InformationOptions = {}): AdaptationMethod {
  const { weight = 0.3, ramp = true, balance = 1 } = options
  if (!(balance >= 0)) throw new UsageError(`Information maximisation: balance is ${balance}; expected 0 or more.`)
  return targetTerm({
    name: 'information',
    title: 'Information maximisation',
    paper:
      'Krause, Perona and Gomes 2010, Regularized Information Maximization, NIPS; Shi and Sha 2012, arXiv:1206.6438',
    options: { weight, ramp, balance },
    weight,
    ramp,
    loss: (g, logits, counts) => informationMaximisation(g, logits, { balance, weights: part(g, counts) }),
  })
}

const part = (g: Emitter, counts: string | undefined): string | undefined =>
  counts === undefined ? undefined : shares(g, counts)
