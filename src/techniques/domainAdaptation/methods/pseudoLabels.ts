/** Pseudo-labels: the network's surest answers on the target are learnt as if they were labels. */
import { UsageError } from '../../../base/errors.js'
import { confidentCrossEntropy } from '../../../losses/domain/confidentLabels.js'
import type { AdaptationMethod } from '../method.js'
import { type RampedWeight, targetTerm } from './targetTerm.js'

export interface PseudoLabelOptions extends RampedWeight {
  /** tau, of the largest probability. @default 0.9 */
  readonly threshold?: number
}

/**
 * L + weight r (1 / b) sum over target rows with max p >= tau of - log p_c, c the most probable class at that step, r the ramp (Lee
 * 2013, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks", ICML workshop; the threshold
 * is that of later work, the paper takes every sample).
 */
export function pseudoLabels(options: PseudoLabelOptions = {}): AdaptationMethod {
  const { weight = 1, ramp = true, threshold = 0.9 } = options
  if (!(threshold >= 0 && threshold < 1))
    throw new UsageError(`Pseudo-labels: threshold is ${threshold}; expected 0 up to below 1.`)
  return targetTerm({
    name: 'pseudo-labels',
    title: 'Pseudo-labels',
    paper: 'Lee 2013, Pseudo-Label, ICML workshop on challenges in representation learning',
    options: { weight, ramp, threshold },
    weight,
    ramp,
    loss: (g, logits, counts) => confidentCrossEntropy(g, logits, logits, { threshold, counts }),
  })
}
