/** M3SDA: the moments of several sources and of the target are drawn together. */

import { UsageError } from '../../../base/errors.js'
import { momentDistance } from '../../../losses/domain/moments.js'
import { severalSources } from '../checks.js'
import { type AdaptationMethod, asTerm, classFeatures, sidesOf } from '../method.js'
import { checkWeight, type RampedWeight, rampedWeight } from './targetTerm.js'

export interface MomentMatchingOptions extends RampedWeight {
  /** K: means, squares and so on up to this power. @default 2 */
  readonly orders?: number
}

/**
 * L + weight r MD / sqrt(D), MD the moment distance of the features, of each source to the target and of the sources to each other (Peng,
 * Bai, Xia, Huang, Saenko and Wang 2019, "Moment Matching for Multi-Source Domain Adaptation", arXiv:1812.01754). Divided by sqrt(D),
 * so that one weight suits features of any width. The paper's further step, a pair of classifiers a source, is not made: one head
 * serves all sources.
 */
export function momentMatching(options: MomentMatchingOptions = {}): AdaptationMethod {
  const { weight = 1, ramp = true, orders = 2 } = options
  const name = 'moment-matching'
  const title = 'Moment matching (M3SDA)'
  checkWeight(title, weight)
  if (!Number.isInteger(orders) || orders < 1)
    throw new UsageError(`${title}: orders is ${orders}; expected 1 or more.`)
  return {
    name,
    title,
    paper: 'Peng et al. 2019, Moment Matching for Multi-Source Domain Adaptation, arXiv:1812.01754',
    needs: ['features', 'several sources'],
    options: { weight, ramp, orders },
    prepare(context) {
      const { value, width } = classFeatures(context, title)
      severalSources(context.train, title)
      return {
        name,
        values: [value],
        loss(loss) {
          const { sources, target } = sidesOf(loss, value)
          const features = sources.map((side) => side.features)
          const distance = momentDistance(loss.g, features, target?.features, orders)
          return { add: asTerm(loss, distance, rampedWeight(loss, weight / Math.sqrt(width), ramp)) }
        },
      }
    },
  }
}
