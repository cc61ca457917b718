/** Group DRO: the domain that goes worst counts most. */
import { UsageError } from '../../base/errors.js'
import { evenGroups, stacked, worstGroupRisk } from '../../losses/domain/invariance.js'
import { checkClasses, severalSources } from '../domainAdaptation/checks.js'
import { type AdaptationMethod, asTerm } from '../domainAdaptation/method.js'
import { risksOf } from './risks.js'

export interface GroupDroOptions {
  /** eta, the step of the domains' weights. @default 0.01 */
  readonly eta?: number
}

/**
 * L = sum over domains e of q_e R_e; q_e <- q_e exp(eta R_e), divided by their sum, at each step before the weights move (Sagawa, Koh,
 * Hashimoto and Liang 2020, "Distributionally Robust Neural Networks for Group Shifts", arXiv:1911.08731). Every domain has its block in
 * each batch. The paper stresses that it needs strong weight decay or early stopping: a network that fits every sample has no worst
 * domain left.
 */
export function groupDro(options: GroupDroOptions = {}): AdaptationMethod {
  const { eta = 0.01 } = options
  const name = 'group-dro'
  const title = 'Group DRO'
  if (!(eta > 0)) throw new UsageError(`${title}: eta is ${eta}; expected above 0.`)
  return {
    name,
    title,
    paper:
      'Sagawa, Koh, Hashimoto and Liang 2020, Distributionally Robust Neural Networks for Group Shifts, arXiv:1911.08731',
    needs: ['several sources'],
    options: { eta },
    prepare({ objective, train }) {
      checkClasses(objective, title)
      const count = severalSources(train, title).length
      return {
        name,
        classifies: true,
        loss(loss) {
          const q = loss.memory('q', evenGroups(count))
          const worst = worstGroupRisk(loss.g, stacked(loss.g, risksOf(loss, objective)), q, eta)
          return { own: 0, add: asTerm(loss, worst.risk), remembers: { q: worst.q } }
        },
      }
    },
  }
}
