/** JAN: features and predictions together have the same distribution in both domains. */
import { attr } from '../../../graph/graph.js'
import { jointDiscrepancy } from '../../../losses/domain/kernels.js'
import type { AdaptationMethod } from '../method.js'
import { alignment } from './alignment.js'

export interface JanOptions {
  /** Of the discrepancy beside the classification. @default 1 */
  readonly weight?: number
}

/** Of the kernel on predictions: 2 x 0.92, as in the authors' code, which has exp(-d^2 / 2 sigma^2) with sigma^2 = 0.92. */
const PREDICTIONS = 1.84

/**
 * L + weight r MMD^2 with the product of a kernel on the features (a sum of five Gaussians) and one on the predicted probabilities, r
 * the ramp 2 / (1 + exp(-10 p)) - 1 (Long, Zhu, Wang and Jordan 2017, "Deep Transfer Learning with Joint Adaptation Networks",
 * arXiv:1605.06636; JMMD without the adversarial part).
 */
export function jan(options: JanOptions = {}): AdaptationMethod {
  const { weight = 1 } = options
  return alignment({
    name: 'jan',
    title: 'JAN',
    paper: 'Long et al. 2017, Deep Transfer Learning with Joint Adaptation Networks, arXiv:1605.06636',
    options: { weight },
    weight,
    distance({ g }, source, target) {
      const softmax = (logits: string) => g.op('Softmax', [logits], { axis: attr.int(-1) })
      return jointDiscrepancy(g, [
        { source: source.features, target: target.features },
        { source: softmax(source.logits), target: softmax(target.logits), factors: [1], bandwidth: PREDICTIONS },
      ])
    },
  })
}
