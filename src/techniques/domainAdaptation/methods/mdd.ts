/** MDD: a second classifier that agrees on the source and disagrees on the target shows where the features differ. */
import { UsageError } from '../../../base/errors.js'
import { agreementLoss, disagreementLoss } from '../../../losses/domain/classifierDiscrepancy.js'
import { perceptron } from '../../../losses/domain/discriminator.js'
import { reverseGradient } from '../../../losses/domain/gradient.js'
import { ramp } from '../../../losses/domain/schedule.js'
import { type AdaptationMethod, asTerm, classFeatures, type Side, sidesWithTarget } from '../method.js'

export interface MddOptions {
  /** exp of the margin: how much more agreement on the source counts. @default 1: no margin; the paper has 4 */
  readonly margin?: number
  /** Of the disparity beside the classification. @default 1 */
  readonly weight?: number
  /** Where lambda of the gradient reversal ends. @default 1; the paper has 0.1, for many more steps on whole networks */
  readonly lambda?: number
  /** Widths of the second classifier's hidden layers. @default [256] */
  readonly hidden?: readonly number[]
}

/**
 * L + weight (margin CE(f'(source), f(source)) + mean over target of - log(1 - softmax(f'(target))_k)), k = argmax f(target), the
 * second classifier f' behind gradient reversal: it learns to agree with the head on the source and to disagree on the target, the
 * features to prevent it (Zhang, Liu, Long and Jordan 2019, "Bridging Theory and Algorithm for Domain Adaptation", arXiv:1904.05801).
 */
export function mdd(options: MddOptions = {}): AdaptationMethod {
  const { margin = 1, weight = 1, lambda = 1, hidden = [256] } = options
  if (![margin, weight, lambda].every((value) => value > 0))
    throw new UsageError(`MDD: margin is ${margin}, weight ${weight} and lambda ${lambda}; expected all above 0.`)
  const name = 'mdd'
  const title = 'MDD'
  return {
    name,
    title,
    paper: 'Zhang et al. 2019, Bridging Theory and Algorithm for Domain Adaptation, arXiv:1904.05801',
    needs: ['features'],
    options: { margin, weight, lambda, hidden },
    prepare(context) {
      const { value } = classFeatures(context, title)
      const outputs = context.objective.outputs
      const random = context.random.fork('classifier')
      return {
        name,
        values: [value],
        loss(loss) {
          const { g, progress, parameter } = loss
          const { source, target } = sidesWithTarget(loss, value)
          const strength = ramp(g, progress, lambda)
          const second = ({ features }: Side) =>
            perceptron(g, reverseGradient(g, features, strength), {
              name: 'second',
              hidden,
              outputs,
              parameter,
              random,
            })
          const agrees = g.op('Mul', [agreementLoss(g, second(source), source.logits), g.float(margin)])
          const both = g.op('Add', [agrees, disagreementLoss(g, second(target), target.logits)])
          return { add: asTerm(loss, both, weight) }
        },
      }
    },
  }
}
