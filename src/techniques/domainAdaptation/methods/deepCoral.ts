/** Deep CORAL: the features of both domains get the same covariance. */
import { UsageError } from '../../../base/errors.js'
import { coral } from '../../../losses/domain/coral.js'
import { ramp } from '../../../losses/domain/schedule.js'
import { type AdaptationMethod, asTerm, classFeatures, sidesWithTarget } from '../method.js'

export interface DeepCoralOptions {
  /** Of the distance beside the classification. @default 1 */
  readonly weight?: number
  /**
   * paper: divided by 4 d^2, which on d features of variance near 1 is very small. width: divided by d alone, so that one weight suits
   * networks of any width. @default 'width'
   */
  readonly scale?: 'width' | 'paper'
}

/**
 * L + weight r norm_F(C_s - C_t)^2 / d (or / 4 d^2), C the covariance of the features that go into the head over the source's and the
 * target's rows of the batch, r the ramp 2 / (1 + exp(-10 p)) - 1 over the training (Sun and Saenko 2016, "Deep CORAL: Correlation
 * Alignment for Deep Domain Adaptation", arXiv:1607.01719). The paper aligns the logits and chooses the weight so that both losses
 * end alike; features and the ramp are what later comparisons use.
 */
export function deepCoral(options: DeepCoralOptions = {}): AdaptationMethod {
  const { weight = 1, scale = 'width' } = options
  if (!(weight > 0)) throw new UsageError(`deep CORAL: weight is ${weight}; expected above 0.`)
  const name = 'coral'
  const title = 'Deep CORAL'
  return {
    name,
    title,
    paper: 'Sun and Saenko 2016, Deep CORAL, arXiv:1607.01719',
    needs: ['features'],
    options: { weight, scale },
    prepare(context) {
      const { value, width } = classFeatures(context, title)
      const factor = scale === 'paper' ? weight : weight * 4 * width
      return {
        name,
        values: [value],
        loss(loss) {
          const { source, target } = sidesWithTarget(loss, value)
          const distance = coral(loss.g, source.features, target.features)
          return { add: asTerm(loss, distance, ramp(loss.g, loss.progress, factor)) }
        },
      }
    },
  }
}
