/** DAN: the features of both domains have the same mean in the space of several Gaussian kernels. */
import { UsageError } from '../../../base/errors.js'
import { BANDWIDTHS, maximumMeanDiscrepancy } from '../../../losses/domain/kernels.js'
import type { AdaptationMethod } from '../method.js'
import { alignment } from './alignment.js'

export interface DanOptions {
  /** Of the discrepancy beside the classification. @default 1 */
  readonly weight?: number
  /** Bandwidths of the kernels over the mean squared distance. @default 1/8, 1/4, 1/2, 1, 2 */
  readonly factors?: readonly number[]
}

/**
 * L + weight r MMD^2(features of the source, features of the target), a sum of Gaussian kernels, r the ramp 2 / (1 + exp(-10 p)) - 1
 * (Long, Cao, Wang and Jordan 2015, "Learning Transferable Features with Deep Adaptation Networks", arXiv:1502.02791). The paper
 * sums over the last layers and learns the kernels' weights; here it is the layer before the head and even weights, as in the
 * authors' later code.
 */
export function dan(options: DanOptions = {}): AdaptationMethod {
  const { weight = 1, factors = BANDWIDTHS } = options
  if (factors.length === 0 || factors.some((factor) => !(factor > 0)))
    throw new UsageError(`DAN: factors are ${factors.join(', ')}; expected numbers above 0.`)
  return alignment({
    name: 'dan',
    title: 'DAN',
    paper: 'Long et al. 2015, Learning Transferable Features with Deep Adaptation Networks, arXiv:1502.02791',
    options: { weight, factors },
    weight,
    distance: ({ g }, source, target) => maximumMeanDiscrepancy(g, source.features, target.features, factors),
  })
}
