/** Sliced Wasserstein: the features of both domains have the same projections on random directions. */
import { UsageError } from '../../../base/errors.js'
import { ramp } from '../../../losses/domain/schedule.js'
import { slicedWasserstein as distanceOf } from '../../../losses/domain/slicedWasserstein.js'
import { type AdaptationMethod, asTerm, classFeatures, randomDirections, sidesWithTarget } from '../method.js'

export interface SlicedWassersteinOptions {
  /** Of the distance beside the classification, times the width of the features. @default 0.1 */
  readonly weight?: number
  /** Random directions at each step. @default 128 */
  readonly projections?: number
}

/**
 * L + weight r D mean over random directions of the squared Wasserstein distance of the projected features, r the ramp
 * 2 / (1 + exp(-10 p)) - 1, D the width of the features, so that one weight suits networks of any width (Lee, Batra, Baig and
 * Ulbricht 2019, "Sliced Wasserstein Discrepancy for Unsupervised Domain Adaptation", arXiv:1903.04064, who measure it between two
 * classifiers: `mcd({ distance: 'sliced' })` is that).
 */
export function slicedWasserstein(options: SlicedWassersteinOptions = {}): AdaptationMethod {
  const { weight = 0.1, projections = 128 } = options
  if (!(weight > 0) || !Number.isInteger(projections) || projections < 1)
    throw new UsageError(
      `Sliced Wasserstein: weight is ${weight} and projections ${projections}; expected a number above 0 and a whole one.`,
    )
  const name = 'swd'
  const title = 'Sliced Wasserstein'
  return {
    name,
    title,
    paper: 'Lee et al. 2019, Sliced Wasserstein Discrepancy for Unsupervised Domain Adaptation, arXiv:1903.04064',
    needs: ['features'],
    options: { weight, projections },
    prepare(context) {
      const { value, width } = classFeatures(context, title)
      return {
        name,
        values: [value],
        feeds: ({ random }) => ({ directions: randomDirections(random, width, projections) }),
        loss(loss) {
          const { source, target } = sidesWithTarget(loss, value)
          const directions = loss.feed('directions', [width, projections])
          const distance = distanceOf(loss.g, source.features, target.features, directions)
          return { add: asTerm(loss, distance, ramp(loss.g, loss.progress, weight * width)) }
        },
      }
    },
  }
}
