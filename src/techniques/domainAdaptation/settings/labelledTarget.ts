/** A few target samples have labels: they count as much as the source, however few they are. */
import { GraftError } from '../../../base/errors.js'
import { shares } from '../../../losses/weighted.js'
import { checkClasses, targetDomain } from '../checks.js'
import { type AdaptationMethod, sidesWithTarget } from '../method.js'
import { checkWeight } from '../methods/targetTerm.js'

export interface LabelledTargetOptions {
  /** Of the labelled target samples beside the source. @default 1 */
  readonly weight?: number
}

/**
 * L = CE(source) + weight CE(labelled target), each a mean over its own samples ("S + T", the baseline of Saito, Kim, Sclaroff, Darrell
 * and Saenko 2019, "Semi-supervised Domain Adaptation via Minimax Entropy", arXiv:1904.06487); without it a labelled target sample
 * counts as one of the source, and twenty of them drown among a thousand. Batches hold target samples as they come, labelled or not: the
 * sum over the labelled ones is divided by their number in an average batch. Name it beside other methods.
 */
export function labelledTarget(options: LabelledTargetOptions = {}): AdaptationMethod {
  const { weight = 1 } = options
  const name = 'labelled-target'
  const title = 'Labelled target samples'
  checkWeight(title, weight)
  return {
    name,
    title,
    paper: 'Saito et al. 2019, Semi-supervised Domain Adaptation via Minimax Entropy, arXiv:1904.06487',
    needs: ['labelled target'],
    options: { weight },
    prepare({ objective, train }) {
      checkClasses(objective, title)
      const target = targetDomain(train, title)
      const { targets } = target.source
      const labels = targets.kind === 'single-label' || targets.kind === 'ordinal' ? targets.labels : new Int32Array()
      const known = labels.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0)
      if (known === 0)
        throw new GraftError(
          `None of the ${target.length} samples of ${target.name} has a label that may be learnt from.`,
          {
            remedy: 'Give a few of them labels, and let joinDomains know: few.',
          },
        )
      return {
        name,
        classifies: true,
        loss(loss) {
          const { g, share } = loss
          const sides = sidesWithTarget(loss)
          const own = sides.target
          const flags = g.op('Cast', [g.op('Greater', [own.weights, g.float(0)])], { to: { kind: 'int', value: 1 } })
          const expected = (own.rows * known) / target.length
          const ofTarget = objective.loss(g, own.logits, own.targets, g.op('Mul', [flags, g.float(weight / expected)]))
          const { source } = sides
          const ofSource = objective.loss(g, source.logits, source.targets, shares(g, source.weights))
          return { own: 0, add: g.op('Mul', [g.op('Add', [ofSource, ofTarget]), share]) }
        },
      }
    },
  }
}
