/** FixMatch: what the network is sure of in a weakly changed sample it learns to say of the strongly changed one. */

import { GraftError, UsageError } from '../../../base/errors.js'
import { confidentCrossEntropy } from '../../../losses/domain/confidentLabels.js'
import { slice } from '../../../ops/emit.js'
import { floats } from '../../../runtime/types.js'
import { blocksOf } from '../../fineTuning/domains.js'
import { targetDomain } from '../checks.js'
import { type AdaptationMethod, asTerm, classFeatures, sidesWithTarget, trainsOnFeatures } from '../method.js'
import { headOn } from './head.js'
import { checkWeight, type RampedWeight, rampedWeight } from './targetTerm.js'

export interface FixMatchOptions extends RampedWeight {
  /** tau, of the largest probability in the weak view. @default 0.9 */
  readonly threshold?: number
  /**
   * views: the target comes in pairs of views (`pairedViews`). features: the strong view is made in the features that go into the head,
   * of which a share is left out. auto: views where the target comes in pairs, features where the network trains on cached
   * features. @default 'auto'
   */
  readonly strong?: 'auto' | 'views' | 'features'
  /** With features: the share that is left out. @default 0.5 */
  readonly dropout?: number
}

/**
 * L + weight r (1 / b) sum over target samples with max p(weak) >= tau of CE(strong, argmax p(weak)), r the ramp (Sohn et al. 2020,
 * "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence", arXiv:2001.07685; for adaptation e.g. Zhang, Deng et al.
 * 2021). Strong views of photos are augmented photos. Cached features have no photo to augment: there the strong view leaves out a share of
 * the entries of the features and scales the rest up (feature perturbation, Yang et al. 2023, UniMatch, arXiv:2208.09910), which is weaker.
 */
export function fixMatch(options: FixMatchOptions = {}): AdaptationMethod {
  const { weight = 1, ramp = true, threshold = 0.9, strong = 'auto', dropout = 0.5 } = options
  const name = 'fixmatch'
  const title = 'FixMatch'
  checkWeight(title, weight)
  if (!(threshold >= 0 && threshold < 1) || !(dropout > 0 && dropout < 1))
    throw new UsageError(
      `FixMatch: threshold is ${threshold} and dropout ${dropout}; expected threshold from 0 and dropout above 0, both below 1.`,
    )
  return {
    name,
    title,
    paper: 'Sohn et al. 2020, FixMatch, arXiv:2001.07685',
    needs: strong === 'features' ? ['features'] : ['strong views'],
    weighs: true,
    options: { weight, ramp, threshold, strong, dropout },
    prepare(context) {
      const { network, train, settings } = context
      const { value, width } = classFeatures(context, title)
      const target = targetDomain(train, title)
      const paired = target.source.views === 'pairs'
      if (strong === 'views' ? !paired : strong === 'auto' && !paired && !trainsOnFeatures(network))
        throw new GraftError(
          'FixMatch learns from a weak and a strong view of each target sample; these come as one.',
          {
            remedy:
              'Train all of a network on photos, which are then augmented twice; give the target as pairedViews(weak, strong); or ask for strong: "features".',
          },
        )
      const inFeatures = strong === 'features' || !paired
      const rows = blocksOf(train.domains ?? [], settings.batch).find((own) => own.name === target.name)?.rows ?? 0
      if (!inFeatures && rows % 2 !== 0)
        throw new UsageError(`FixMatch: ${rows} target rows a batch; pairs of views need an even number.`)
      const dims = [rows, width]
      return {
        name,
        values: [value],
        ...(inFeatures && {
          feeds: ({ random }) => ({
            mask: floats(
              dims,
              Float32Array.from({ length: rows * width }, () => (random.uniform() < dropout ? 0 : 1 / (1 - dropout))),
            ),
          }),
        }),
        loss(loss) {
          const { g } = loss
          const own = sidesWithTarget(loss, value).target
          const half = rows / 2
          const weak = inFeatures ? own.logits : slice(g, own.logits, 0, 0, half)
          const changed = inFeatures
            ? headOn(g, loss.logits, g.op('Mul', [own.features, loss.feed('mask', dims)]))
            : slice(g, own.logits, 0, half, rows)
          const counts = own.counts === undefined || inFeatures ? own.counts : slice(g, own.counts, 0, 0, half)
          const learnt = confidentCrossEntropy(g, changed, weak, { threshold, counts })
          return { add: asTerm(loss, learnt, rampedWeight(loss, weight, ramp)) }
        },
      }
    },
  }
}
