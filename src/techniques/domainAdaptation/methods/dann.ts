/** DANN: features from which a discriminator cannot tell the domain. */
import { UsageError } from '../../../base/errors.js'
import { domainCrossEntropy, perceptron } from '../../../losses/domain/discriminator.js'
import { reverseGradient } from '../../../losses/domain/gradient.js'
import { ramp } from '../../../losses/domain/schedule.js'
import { shares } from '../../../losses/weighted.js'
import { type AdaptationMethod, asTerm, classFeatures, type Side, sidesWithTarget } from '../method.js'

export interface DannOptions {
  /** Of the discriminator's loss. @default 1 */
  readonly weight?: number
  /** Where lambda ends. @default 1 */
  readonly lambda?: number
  /** Widths of the discriminator's hidden layers. @default [256] */
  readonly hidden?: readonly number[]
}

/**
 * L + weight (mean over source of softplus(-D(f)) + mean over target of softplus(D(f))) / 2, D a perceptron behind gradient reversal
 * with lambda = 2 / (1 + exp(-10 p)) - 1: the discriminator learns to tell the domains, the features to prevent it (Ganin et al. 2016,
 * "Domain-Adversarial Training of Neural Networks", arXiv:1505.07818). One backward pass; the discriminator is not kept.
 */
export function dann(options: DannOptions = {}): AdaptationMethod {
  const { weight = 1, lambda = 1, hidden = [256] } = options
  if (!(weight > 0) || !(lambda > 0))
    throw new UsageError(`DANN: weight is ${weight} and lambda ${lambda}; expected both above 0.`)
  const name = 'dann'
  const title = 'DANN'
  return {
    name,
    title,
    paper: 'Ganin et al. 2016, Domain-Adversarial Training of Neural Networks, arXiv:1505.07818',
    needs: ['features'],
    weighs: true,
    options: { weight, lambda, hidden },
    prepare(context) {
      const { value } = classFeatures(context, title)
      const random = context.random.fork('discriminator')
      return {
        name,
        values: [value],
        loss(loss) {
          const { g, progress, parameter } = loss
          const { source, target } = sidesWithTarget(loss, value)
          const strength = ramp(g, progress, lambda)
          const of = ({ features, counts }: Side, isSource: boolean) => {
            const reversed = reverseGradient(g, features, strength)
            const scores = perceptron(g, reversed, { name: 'domain', hidden, outputs: 1, parameter, random })
            return domainCrossEntropy(g, scores, isSource, counts === undefined ? undefined : shares(g, counts))
          }
          const both = g.op('Add', [of(source, true), of(target, false)])
          return { add: asTerm(loss, both, weight / 2) }
        },
      }
    },
  }
}
