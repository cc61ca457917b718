/** DSAN: each class of the source is aligned with what is taken for it in the target. */
import { UsageError } from '../../../base/errors.js'
import { attr } from '../../../graph/graph.js'
import { localDiscrepancy } from '../../../losses/domain/kernels.js'
import { ramp } from '../../../losses/domain/schedule.js'
import { type AdaptationMethod, asTerm, classFeatures, knownTargets, sidesWithTarget } from '../method.js'

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
  if (!(weight > 0)) throw new UsageError(`DSAN: weight is ${weight}; expected above 0.`)
  const name = 'dsan'
  const title = 'DSAN'
  return {
    name,
    title,
    paper: 'Zhu et al. 2021, Deep Subdomain Adaptation Network for Image Classification, arXiv:2106.09388',
    needs: ['features'],
    options: { weight },
    prepare(context) {
      const { value } = classFeatures(context, title)
      return {
        name,
        values: [value],
        loss(loss) {
          const { g, progress } = loss
          const { source, target } = sidesWithTarget(loss, value)
          const guessed = g.op('Softmax', [target.logits], { axis: attr.int(-1) })
          const distance = localDiscrepancy(g, source.features, knownTargets(g, source), target.features, guessed)
          return { add: asTerm(loss, distance, ramp(g, progress, weight)) }
        },
      }
    },
  }
}
