/** BSP: no direction of the features may outweigh the others, so that classes stay apart while domains are drawn together. */
import { UsageError } from '../../../base/errors.js'
import { largestSquares } from '../../../losses/singularValues.js'
import { type AdaptationMethod, asTerm, classFeatures, sidesWithTarget } from '../method.js'
import { checkWeight } from './targetTerm.js'

export interface BspOptions {
  /** Of the sum of squared singular values. @default 1e-4 */
  readonly weight?: number
  /** How many of the largest count. @default 1 */
  readonly k?: number
}

/**
 * L + weight sum over the k largest singular values of sigma_i(F_s)^2 + sigma_i(F_t)^2, F the features of the batch's source and target
 * rows (Chen, Wang, Long and Wang 2019, "Transferability vs. Discriminability: Batch Spectral Penalization for Adversarial Domain
 * Adaptation", ICML). It is made to stand beside an adversarial method: name both, `[dann(), bsp()]`.
 */
export function bsp(options: BspOptions = {}): AdaptationMethod {
  const { weight = 1e-4, k = 1 } = options
  const name = 'bsp'
  const title = 'BSP'
  checkWeight(title, weight)
  if (!Number.isInteger(k) || k < 1) throw new UsageError(`BSP: k is ${k}; expected 1 or more.`)
  return {
    name,
    title,
    paper: 'Chen, Wang, Long and Wang 2019, Transferability vs. Discriminability, ICML',
    needs: ['features'],
    options: { weight, k },
    prepare(context) {
      const { value, width } = classFeatures(context, title)
      return {
        name,
        values: [value],
        loss(loss) {
          const { g } = loss
          const sides = sidesWithTarget(loss, value)
          const sums = [sides.source, sides.target].map(({ features, rows, name: domain }) => {
            if (k > Math.min(rows, width))
              throw new UsageError(
                `BSP: k is ${k}; ${rows} rows of ${domain} with ${width} features have ${Math.min(rows, width)} singular values.`,
              )
            return largestSquares(g, features, k)
          })
          return { add: asTerm(loss, g.op('Add', sums), weight) }
        },
      }
    },
  }
}
