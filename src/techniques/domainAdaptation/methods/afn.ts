/** AFN: features of both domains grow longer, the target's with the source's. */
import { UsageError } from '../../../base/errors.js'
import { hardNorm, stepwiseNorm } from '../../../losses/domain/featureNorm.js'
import { shares } from '../../../losses/weighted.js'
import { type AdaptationMethod, asTerm, classFeatures, type Side, sidesWithTarget } from '../method.js'
import { checkWeight } from './targetTerm.js'

export interface AfnOptions {
  /** Of the term beside the classification. @default 0.05 */
  readonly weight?: number
  /** Delta r, by which each feature is to become longer. @default 1 */
  readonly step?: number
  /** R: a length for all features takes the place of the step (HAFN). @default none */
  readonly radius?: number | undefined
}

/**
 * L + weight (A(f_s) + A(f_t)), A = mean over n of (norm(f_n) - (norm(f_n) held + step))^2, or (norm(f_n) - radius)^2 (Xu, Li, Yang and
 * Lin 2019, "Larger Norm More Transferable: An Adaptive Feature Norm Approach for Unsupervised Domain Adaptation", arXiv:1811.07456).
 * Features are those that go into the head.
 */
export function afn(options: AfnOptions = {}): AdaptationMethod {
  const { weight = 0.05, step = 1, radius } = options
  const name = 'afn'
  const title = radius === undefined ? 'AFN' : 'AFN (hard)'
  checkWeight(title, weight)
  if (!(step > 0) || (radius !== undefined && !(radius > 0)))
    throw new UsageError(`AFN: step is ${step} and radius ${radius}; expected above 0.`)
  return {
    name,
    title,
    paper: 'Xu, Li, Yang and Lin 2019, Larger Norm More Transferable, arXiv:1811.07456',
    needs: ['features'],
    weighs: true,
    options: { weight, step, radius: radius ?? null },
    prepare(context) {
      const { value } = classFeatures(context, title)
      return {
        name,
        values: [value],
        loss(loss) {
          const { g } = loss
          const { source, target } = sidesWithTarget(loss, value)
          const grown = ({ features, counts }: Side) => {
            const weights = counts === undefined ? undefined : shares(g, counts)
            return radius === undefined
              ? stepwiseNorm(g, features, step, weights)
              : hardNorm(g, features, radius, weights)
          }
          return { add: asTerm(loss, g.op('Add', [grown(source), grown(target)]), weight) }
        },
      }
    },
  }
}
