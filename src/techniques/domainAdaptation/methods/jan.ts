/** JAN: features and predictions together have the same distribution in both domains. */
import { UsageError } from '../../../base/errors.js'
import { attr } from '../../../graph/graph.js'
import { jointDiscrepancy } from '../../../losses/domain/kernels.js'
import { ramp } from '../../../losses/domain/schedule.js'
import { type AdaptationMethod, asTerm, classFeatures, sidesWithTarget } from '../method.js'

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
  if (!(weight > 0)) throw new UsageError(`JAN: weight is ${weight}; expected above 0.`)
  const name = 'jan'
  const title = 'JAN'
  return {
    name,
    title,
    paper: 'Long et al. 2017, Deep Transfer Learning with Joint Adaptation Networks, arXiv:1605.06636',
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
          const softmax = (logits: string) => g.op('Softmax', [logits], { axis: attr.int(-1) })
          const distance = jointDiscrepancy(g, [
            { source: source.features, target: target.features },
            { source: softmax(source.logits), target: softmax(target.logits), factors: [1], bandwidth: PREDICTIONS },
          ])
          return { add: asTerm(loss, distance, ramp(g, progress, weight)) }
        },
      }
    },
  }
}
