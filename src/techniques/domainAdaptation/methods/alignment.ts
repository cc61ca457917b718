/** Methods whose whole term is a distance between the features of source and target: the frame that they share. */

import type { LossContext, PreparedMethod } from '../../fineTuning/method.js'
import type { Json } from '../../run/directory.js'
import {
  type AdaptationMethod,
  asTerm,
  classFeatures,
  type Side,
  sidesWithTarget,
  trainsOnFeatures,
} from '../method.js'
import { checkWeight, rampedWeight } from './targetTerm.js'

export interface AlignedSizes {
  /** D, of the features. */
  readonly width: number
  /** Rows of either side in a batch. */
  readonly source: number
  readonly target: number
  /** Whether a small head trains on rows of features, or a network. */
  readonly onFeatures: boolean
}

export interface Alignment {
  readonly name: string
  readonly title: string
  readonly paper: string
  readonly options: Json
  /** Of the distance beside the classification. */
  readonly weight: number
  /** By what the weight is multiplied. @default 1 */
  readonly scale?: (sizes: AlignedSizes) => number
  /** What is fed at each step. @default nothing */
  readonly feeds?: (width: number) => NonNullable<PreparedMethod['feeds']>
  /** @returns a scalar */
  distance(loss: LossContext, source: Side, target: Side, width: number): string
}

/** L + weight r distance(source, target), r the ramp 2 / (1 + exp(-10 p)) - 1 over the share p of the training that is done. */
export function alignment({
  name,
  title,
  paper,
  options,
  weight,
  scale = () => 1,
  feeds,
  distance,
}: Alignment): AdaptationMethod {
  checkWeight(title, weight)
  return {
    name,
    title,
    paper,
    needs: ['features'],
    options,
    prepare(context) {
      const { value, width } = classFeatures(context, title)
      const onFeatures = trainsOnFeatures(context.network)
      return {
        name,
        values: [value],
        ...(feeds && { feeds: feeds(width) }),
        loss(loss) {
          const { source, target } = sidesWithTarget(loss, value)
          const sizes = { width, source: source.rows, target: target.rows, onFeatures }
          const apart = distance(loss, source, target, width)
          return { add: asTerm(loss, apart, rampedWeight(loss, weight * scale(sizes), true)) }
        },
      }
    },
  }
}
