/** IRM: one classifier is the best for every domain at once. */
import { invariancePenalty, stacked } from '../../losses/domain/invariance.js'
import { meanOf, shares } from '../../losses/weighted.js'
import { checkClasses, severalSources } from '../domainAdaptation/checks.js'
import { type AdaptationMethod, sidesOf } from '../domainAdaptation/method.js'
import { checkPenalty, type PenaltyOptions, penalised } from './risks.js'

export type IrmOptions = PenaltyOptions

/**
 * L + lambda mean over domains e of (d R_e(w z) / d w at w = 1)^2 (Arjovsky, Bottou, Gulrajani and Lopez-Paz 2019, "Invariant Risk
 * Minimization", arXiv:1907.02893, IRMv1), all divided by lambda where that is above 1; lambda is 1 until `after` of the training. On
 * batches the square is a little larger than that of the whole domain; blocks of 32 rows and more keep that small.
 */
export function irm(options: IrmOptions = {}): AdaptationMethod {
  const settled = { weight: 100, after: 0.3, ...options }
  const name = 'irm'
  const title = 'IRM'
  checkPenalty(title, settled)
  return {
    name,
    title,
    paper: 'Arjovsky, Bottou, Gulrajani and Lopez-Paz 2019, Invariant Risk Minimization, arXiv:1907.02893',
    needs: ['several sources'],
    options: settled,
    prepare({ objective, train }) {
      checkClasses(objective, title)
      severalSources(train, title)
      return {
        name,
        loss(loss) {
          const { g } = loss
          const each = sidesOf(loss).sources.map(({ logits, targets, weights }) =>
            invariancePenalty(g, logits, targets, shares(g, weights)),
          )
          return penalised(loss, meanOf(g, stacked(g, each)), settled)
        },
      }
    },
  }
}
