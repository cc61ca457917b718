/** V-REx: the risks of all domains are drawn together. */
import { riskVariance, stacked } from '../../losses/domain/invariance.js'
import { checkClasses, severalSources } from '../domainAdaptation/checks.js'
import type { AdaptationMethod } from '../domainAdaptation/method.js'
import { checkPenalty, type PenaltyOptions, penalised, risksOf } from './risks.js'

export type VrexOptions = PenaltyOptions

/**
 * L + lambda variance over domains e of R_e (Krueger et al. 2021, "Out-of-Distribution Generalization via Risk Extrapolation",
 * arXiv:2003.00688), all divided by lambda where that is above 1; lambda is 1 until `after` of the training.
 */
export function vrex(options: VrexOptions = {}): AdaptationMethod {
  const settled = { weight: 10, after: 0.3, ...options }
  const name = 'vrex'
  const title = 'V-REx'
  checkPenalty(title, settled)
  return {
    name,
    title,
    paper: 'Krueger et al. 2021, Out-of-Distribution Generalization via Risk Extrapolation, arXiv:2003.00688',
    needs: ['several sources'],
    options: settled,
    prepare({ objective, train }) {
      checkClasses(objective, title)
      severalSources(train, title)
      return {
        name,
        loss: (loss) => penalised(loss, riskVariance(loss.g, stacked(loss.g, risksOf(loss, objective))), settled),
      }
    },
  }
}
