/** DSAN: each class of the source is aligned with what is taken for it in the target. */
import { attr } from '../../../graph/graph.js'
import { localDiscrepancy } from '../../../losses/domain/kernels.js'
import { type AdaptationMethod, knownTargets } from '../method.js'
import { alignment } from './alignment.js'

export interface DsanOptions {
  /** Of the discrepancy beside the classification. @default 0.5, the paper's */
  readonly weight?: number
}

/**
 * L + weight r LMMD, the mean over the classes of the MMD^2 between the source's rows of a class and the target's rows weighted by
 * their probability of it, r the ramp 2 / (1 + exp(-10 p)) - 1 (Zhu et al. 2021, "Deep Subdomain Adaptation Network for Image
 * Classification", arXiv:2106.09388).
 */
export function dsan(options: DsanOptions = {}): AdaptationMethod {
  const { weight = 0.5 } = options
  return alignment({
    name: 'dsan',
    title: 'DSAN',
    paper: 'Zhu et al. 2021, Deep Subdomain Adaptation Network for Image Classification, arXiv:2106.09388',
    options: { weight },
    weight,
    distance({ g }, source, target) {
      const guessed = g.op('Softmax', [target.logits], { axis: attr.int(-1) })
      return localDiscrepancy(g, source.features, knownTargets(g, source), target.features, guessed)
    },
  })
}
