/** MCD: two classifiers are driven apart on the target, and the features bring them together again. */
import { UsageError } from '../../../base/errors.js'
import { attr } from '../../../graph/graph.js'
import { softmaxCrossEntropy } from '../../../losses/crossEntropy.js'
import { classifierDiscrepancy } from '../../../losses/domain/classifierDiscrepancy.js'
import { perceptron } from '../../../losses/domain/discriminator.js'
import { slicedWasserstein } from '../../../losses/domain/slicedWasserstein.js'
import type { LossContext } from '../../fineTuning/method.js'
import { type AdaptationMethod, asTerm, classFeatures, randomDirections, rowsOf, sidesWithTarget } from '../method.js'

export interface McdOptions {
  /** Of the discrepancy. @default 1 */
  readonly weight?: number
  /** Updates of the features for each batch. @default 4, the paper's */
  readonly steps?: number
  /** l1: mean of |p - p'|. sliced: the sliced Wasserstein distance of p and p' (Lee et al. 2019). @default 'l1' */
  readonly distance?: 'l1' | 'sliced'
}

/** Random directions of the sliced distance, the paper's 128. */
const PROJECTIONS = 128

/**
 * Three updates a batch: (A) everything by the cross-entropy of the head and of a second one on the source; (B) both heads by the same
 * less weight d(p, p') on the target; (C) the features, `steps` times, by weight d(p, p') on the target (Saito, Watanabe, Ushiku and
 * Harada 2018, "Maximum Classifier Discrepancy for Unsupervised Domain Adaptation", arXiv:1712.02560; with `sliced` Lee et al. 2019,
 * arXiv:1903.04064). The first head is kept. Costs 2 + `steps` passes a batch through what trains.
 */
export function mcd(options: McdOptions = {}): AdaptationMethod {
  const { weight = 1, steps = 4, distance = 'l1' } = options
  if (!(weight > 0) || !Number.isInteger(steps) || steps < 1)
    throw new UsageError(`MCD: weight is ${weight} and steps ${steps}; expected a number above 0 and a whole one.`)
  const name = 'mcd'
  const title = distance === 'l1' ? 'MCD' : 'MCD with the sliced Wasserstein distance'
  return {
    name,
    title,
    paper: 'Saito et al. 2018, Maximum Classifier Discrepancy for Unsupervised Domain Adaptation, arXiv:1712.02560',
    needs: ['features'],
    options: { weight, steps, distance },
    takes: () => ({ passes: 3 }),
    prepare(context) {
      const { value } = classFeatures(context, title)
      const outputs = context.objective.outputs
      const random = context.random.fork('second')
      const second = ({ g, value: at }: LossContext, parameter: LossContext['parameter']) =>
        perceptron(g, at(value), { name: 'second', hidden: [], outputs, parameter, random })
      const bothRight = (loss: LossContext) => {
        const { g, targets, weights } = loss
        return softmaxCrossEntropy(g, second(loss, loss.parameter), targets, weights)
      }
      const apart = (loss: LossContext, parameter: LossContext['parameter']) => {
        const { g } = loss
        const { target } = sidesWithTarget(loss)
        const others = rowsOf(g, second(loss, parameter), target.blocks)
        return asTerm(loss, between(loss, target.logits, others), weight)
      }
      const between = (loss: LossContext, logits: string, others: string) => {
        const { g } = loss
        if (distance === 'l1') return classifierDiscrepancy(g, logits, others)
        const softmax = (z: string) => g.op('Softmax', [z], { axis: attr.int(-1) })
        return slicedWasserstein(g, softmax(logits), softmax(others), loss.feed('directions', [outputs, PROJECTIONS]))
      }
      return {
        name,
        values: [value],
        ...(distance === 'l1'
          ? {}
          : { feeds: ({ random: draw }) => ({ directions: randomDirections(draw, outputs, PROJECTIONS) }) }),
        loss: (loss) => ({ add: bothRight(loss) }),
        phases: [
          {
            name: 'apart',
            when: 'after',
            moves: (layer, layers) => layer === layers - 1,
            loss(loss) {
              const { g, logits, targets, weights } = loss
              const right = g.op('Add', [softmaxCrossEntropy(g, logits, targets, weights), bothRight(loss)])
              return g.op('Sub', [right, apart(loss, loss.parameter)])
            },
          },
          {
            name: 'together',
            when: 'after',
            times: steps,
            moves: (layer, layers) => layer < layers - 1,
            loss: (loss) => apart(loss, loss.held),
          },
        ],
      }
    },
  }
}
