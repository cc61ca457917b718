/** Open-set adaptation: the target has classes besides, whose samples are to be called unknown. */
import { UsageError } from '../../../base/errors.js'
import { argmaxRows, type Matrix, row, softmaxRows } from '../../../base/matrix.js'
import { entropyBoundary, entropySeparation, takenAsKnown } from '../../../losses/domain/openSet.js'
import { checkClasses } from '../checks.js'
import { type AdaptationMethod, asTerm, sidesWithTarget } from '../method.js'
import { checkWeight, rampedWeight } from '../methods/targetTerm.js'
import { checkWeighs, innerTerm, withContext } from './around.js'

export interface OpenSetOptions {
  /** Of the separation of entropies. @default 0.1 */
  readonly weight?: number
  /** Entropies nearer to the boundary than this, in nats, are left alone. @default log(C) / 4; the paper has 0.5 for ten classes and more */
  readonly margin?: number
}

/** What {@link openSetAnswers} says of a sample that is of no known class. */
export const UNKNOWN = -1

/**
 * L + weight r (- mean over target of |H(p) - rho| where that is above the margin), rho = log(C) / 2, r the ramp: a target sample becomes
 * surer of a known class or less sure of all (Saito, Kim, Sclaroff and Saenko 2020, "Universal Domain Adaptation through Self-Supervision",
 * arXiv:2002.07953, entropy separation). The method within sees the target samples that are surely known at that step, H(p) < rho - margin.
 * {@link openSetAnswers} then calls unknown what stays above rho.
 *
 * @param method around which it stands; it must weigh rows
 */
export function openSet(method?: AdaptationMethod, options: OpenSetOptions = {}): AdaptationMethod {
  const { weight = 0.1, margin } = options
  checkWeighs(method, 'Open-set adaptation')
  checkWeight('Open-set adaptation', weight)
  if (margin !== undefined && !(margin >= 0))
    throw new UsageError(`Open-set adaptation: margin is ${margin}; expected 0 or more.`)
  const name = method === undefined ? 'open-set' : `open-set ${method.name}`
  return {
    name,
    title: method === undefined ? 'Entropy separation (DANCE)' : `${method.title}, open set (DANCE)`,
    paper: `Saito, Kim, Sclaroff and Saenko 2020, Universal Domain Adaptation through Self-Supervision, arXiv:2002.07953${method === undefined ? '' : `; ${method.paper}`}`,
    needs: method?.needs ?? [],
    weighs: true,
    options: {
      weight,
      margin: margin ?? null,
      within: method === undefined ? null : { name: method.name, options: method.options },
    },
    ...(method?.takes && { takes: () => method.takes?.() ?? {} }),
    async prepare(context) {
      checkClasses(context.objective, 'Open-set adaptation')
      const inner = await method?.prepare(context)
      const boundary = entropyBoundary(context.objective.outputs)
      const off = margin ?? boundary / 2
      return {
        ...inner,
        name,
        loss(loss) {
          const { g } = loss
          const { target } = sidesWithTarget(loss)
          const known = takenAsKnown(g, loss.logits, boundary - off)
          const labelled = new Float32Array(g.shape(known)[0]!)
          for (const { start, rows, labelled: own } of loss.domains) if (own) labelled.fill(1, start, start + rows)
          const sources = g.constant({ type: 'float32', dims: g.shape(known), data: labelled })
          const belongs = g.op('Max', [known, sources])
          const counts = loss.counts === undefined ? belongs : g.op('Mul', [belongs, loss.counts])
          const term = innerTerm(inner, withContext(loss, { counts }))
          const separated = entropySeparation(g, target.logits, { boundary, margin: off })
          const own = asTerm(loss, separated, rampedWeight(loss, weight, true))
          return { ...term, add: g.op('Add', [own, term.add]) }
        },
      }
    },
  }
}

/**
 * A class for each row, or {@link UNKNOWN}: where the entropy of softmax(z) is above the boundary.
 *
 * @param boundary in nats. @default log(C) / 2
 */
export function openSetAnswers(logits: Matrix, boundary = entropyBoundary(logits.columns)): Int32Array {
  const probabilities = softmaxRows(logits)
  return argmaxRows(logits).map((best, i) => {
    const entropy = -row(probabilities, i).reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0)
    return entropy > boundary ? UNKNOWN : best
  })
}
