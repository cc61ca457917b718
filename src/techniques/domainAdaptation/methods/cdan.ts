/** CDAN: a discriminator that looks at features and predictions together. */
import { UsageError } from '../../../base/errors.js'
import type { Random } from '../../../base/random.js'
import { certaintyWeights, multilinearMap, randomisedMultilinearMap } from '../../../losses/domain/conditional.js'
import { domainCrossEntropy, perceptron } from '../../../losses/domain/discriminator.js'
import { reverseGradient } from '../../../losses/domain/gradient.js'
import { ramp } from '../../../losses/domain/schedule.js'
import { shares } from '../../../losses/weighted.js'
import { floats, type HostTensor } from '../../../runtime/types.js'
import { type AdaptationMethod, asTerm, classFeatures, type Side, sidesWithTarget } from '../method.js'

export interface CdanOptions {
  /** Rows that the classifier is sure of count more (CDAN+E). @default false */
  readonly entropy?: boolean
  /** Of the discriminator's loss. @default 1 */
  readonly weight?: number
  /** Where lambda ends. @default 1 */
  readonly lambda?: number
  /** Widths of the discriminator's hidden layers. @default [256] */
  readonly hidden?: readonly number[]
  /** Features times classes beyond this are mapped to 1024 random products. @default 4096, the paper's */
  readonly widest?: number
}

/** Columns of the random map. */
const RANDOM_WIDTH = 1024

/**
 * As DANN, but the discriminator reads f (x) softmax(z), every feature times every probability, which no gradient passes through to the
 * head; with `entropy` each row's loss is multiplied by 1 + exp(-H), normalised in each domain (Long, Cao, Wang and Jordan 2018,
 * "Conditional Adversarial Domain Adaptation", arXiv:1705.10667).
 */
export function cdan(options: CdanOptions = {}): AdaptationMethod {
  const { entropy = false, weight = 1, lambda = 1, hidden = [256], widest = 4096 } = options
  if (!(weight > 0) || !(lambda > 0))
    throw new UsageError(`CDAN: weight is ${weight} and lambda ${lambda}; expected both above 0.`)
  const name = entropy ? 'cdan-e' : 'cdan'
  const title = entropy ? 'CDAN+E' : 'CDAN'
  return {
    name,
    title,
    paper: 'Long et al. 2018, Conditional Adversarial Domain Adaptation, arXiv:1705.10667',
    needs: ['features'],
    weighs: true,
    options: { entropy, weight, lambda, hidden, widest },
    prepare(context) {
      const { value, width } = classFeatures(context, title)
      const classes = context.objective.outputs
      const random = context.random.fork('discriminator')
      const maps =
        width * classes > widest
          ? { features: normals(random.fork('features'), width), classes: normals(random.fork('classes'), classes) }
          : undefined
      return {
        name,
        values: [value],
        ...(maps === undefined ? {} : { fixed: maps }),
        loss(loss) {
          const { g, progress, parameter } = loss
          const { source, target } = sidesWithTarget(loss, value)
          const strength = ramp(g, progress, lambda)
          const weightsOf = ({ logits, counts }: Side) => {
            if (entropy) return certaintyWeights(g, logits, counts)
            return counts === undefined ? undefined : shares(g, counts)
          }
          const of = (side: Side, isSource: boolean) => {
            const { features, logits } = side
            const reversed = reverseGradient(g, features, strength)
            const joint =
              maps === undefined
                ? multilinearMap(g, reversed, logits)
                : randomisedMultilinearMap(g, reversed, logits, loss.fixed('features'), loss.fixed('classes'))
            const scores = perceptron(g, joint, { name: 'domain', hidden, outputs: 1, parameter, random })
            return domainCrossEntropy(g, scores, isSource, weightsOf(side))
          }
          const both = g.op('Add', [of(source, true), of(target, false)])
          return { add: asTerm(loss, both, weight / 2) }
        },
      }
    },
  }
}

const normals = (random: Random, rows: number): HostTensor =>
  floats(
    [rows, RANDOM_WIDTH],
    Float32Array.from({ length: rows * RANDOM_WIDTH }, () => random.normal()),
  )
