/** OSBP: a class for what the source does not know, found between the classifier and the features. */
import { GraftError, UsageError } from '../../../base/errors.js'
import type { AnyTargets } from '../../../data/targets.js'
import { reverseGradient } from '../../../losses/domain/gradient.js'
import { unknownBoundary } from '../../../losses/domain/openSet.js'
import { ramp } from '../../../losses/domain/schedule.js'
import type { SampleSource } from '../../fineTuning/network.js'
import { type AdaptationMethod, asTerm, classFeatures, sidesWithTarget } from '../method.js'
import { headOn } from './head.js'
import { checkWeight } from './targetTerm.js'

export interface OsbpOptions {
  /** Of the boundary's loss. @default 1 */
  readonly weight?: number
  /** t, the probability of "unknown" that the classifier gives every target sample. @default 0.5 */
  readonly boundary?: number
}

/**
 * L + weight mean over target of (- t log p_u - (1 - t) log(1 - p_u)), p_u the probability of the last class, which no labelled sample
 * has: the head descends this loss, the features ascend it (gradient reversal with the ramp as lambda), and so each target sample moves
 * to the known classes or to the unknown one (Saito, Yamamoto, Ushiku and Harada 2018, "Open Set Domain Adaptation by
 * Backpropagation", arXiv:1804.10427). For open sets: the network has one class more than the source, the last.
 */
export function osbp(options: OsbpOptions = {}): AdaptationMethod {
  const { weight = 1, boundary = 0.5 } = options
  const name = 'osbp'
  const title = 'OSBP'
  checkWeight(title, weight)
  if (!(boundary > 0 && boundary < 1)) throw new UsageError(`OSBP: boundary is ${boundary}; expected between 0 and 1.`)
  return {
    name,
    title,
    paper: 'Saito, Yamamoto, Ushiku and Harada 2018, Open Set Domain Adaptation by Backpropagation, arXiv:1804.10427',
    needs: ['features', 'unknown class'],
    options: { weight, boundary },
    prepare(context) {
      const { value } = classFeatures(context, title)
      checkUnknown(context.train, context.objective.outputs)
      return {
        name,
        values: [value],
        loss(loss) {
          const { g, progress } = loss
          const { target } = sidesWithTarget(loss, value)
          const logits = headOn(g, loss.logits, reverseGradient(g, target.features, ramp(g, progress)))
          return { add: asTerm(loss, unknownBoundary(g, logits, boundary), weight) }
        },
      }
    },
  }
}

function checkUnknown({ targets }: SampleSource<AnyTargets>, classes: number): void {
  if (targets.kind !== 'single-label' && targets.kind !== 'ordinal') return
  if (targets.labels.every((label) => label !== classes - 1)) return
  throw new GraftError(
    `OSBP takes the last class for what the source does not have; "${targets.classes[classes - 1]}" has labelled samples.`,
    { remedy: 'Add a class "unknown" at the end of the list of classes.' },
  )
}
