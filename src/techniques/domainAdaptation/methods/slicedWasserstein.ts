/** Sliced Wasserstein: the features of both domains have the same projections on random directions. */
import { UsageError } from '../../../base/errors.js'
import { slicedWasserstein as distanceOf } from '../../../losses/domain/slicedWasserstein.js'
import { type AdaptationMethod, randomDirections } from '../method.js'
import { alignment } from './alignment.js'

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
  if (!Number.isInteger(projections) || projections < 1)
    throw new UsageError(`Sliced Wasserstein: projections is ${projections}; expected a whole number of at least 1.`)
  return alignment({
    name: 'swd',
    title: 'Sliced Wasserstein',
    paper: 'Lee et al. 2019, Sliced Wasserstein Discrepancy for Unsupervised Domain Adaptation, arXiv:1903.04064',
    options: { weight, projections },
    weight,
    scale: ({ width }) => width,
    feeds:
      (width) =>
      ({ random }) => ({ directions: randomDirections(random, width, projections) }),
    distance: ({ g, feed }, source, target, width) =>
      distanceOf(g, source.features, target.features, feed('directions', [width, projections])),
  })
}
