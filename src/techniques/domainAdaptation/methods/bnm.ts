/** BNM: predictions on the target that are sure and of many classes. */
import { batchNuclearNorm } from '../../../losses/domain/batchNuclearNorm.js'
import type { AdaptationMethod } from '../method.js'
import { type RampedWeight, targetTerm } from './targetTerm.js'

export type BnmOptions = RampedWeight

/**
 * L - weight r norm_*(P) / b, P the predictions of the b target rows of the batch, r the ramp (Cui et al. 2020, "Towards
 * Discriminability and Diversity: Batch Nuclear-norm Maximization under Label Insufficient Situations", arXiv:2003.12237). Batches
 * should hold more rows than there are classes.
 */
export function bnm(options: BnmOptions = {}): AdaptationMethod {
  const { weight = 1, ramp = true } = options
  return targetTerm({
    name: 'bnm',
    title: 'BNM',
    paper: 'Cui et al. 2020, Batch Nuclear-norm Maximization, arXiv:2003.12237',
    options: { weight, ramp },
    weight,
    ramp,
    loss: (g, logits, counts) => batchNuclearNorm(g, logits, counts),
  })
}
