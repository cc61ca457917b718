/** DeepJDOT: target samples are matched to source samples that lie near and whose label suits. */
import { UsageError } from '../../../base/errors.js'
import { squaredDistances } from '../../../losses/domain/kernels.js'
import { labelCosts, sinkhornPlan, transportCost } from '../../../losses/domain/optimalTransport.js'
import { ramp } from '../../../losses/domain/schedule.js'
import { type AdaptationMethod, asTerm, classFeatures, knownTargets, sidesWithTarget } from '../method.js'

export interface DeepJdotOptions {
  /** Of the distance between features, each counted as a mean over the width. @default 0.1 */
  readonly alpha?: number
  /** Of the cross-entropy between a source's label and a target's prediction. @default 0.1 */
  readonly lambda?: number
  /** Of the plan's entropy, as a share of the mean cost. @default 0.05 */
  readonly epsilon?: number
  readonly iterations?: number
}

/**
 * L + r sum over i, j of plan_ij (alpha norm(f_i - f_j)^2 / D + lambda CE(y_i, softmax(z_j))), i over the source's rows and j over
 * the target's, r the ramp 2 / (1 + exp(-10 p)) - 1 (Damodaran et al. 2018, "DeepJDOT: Deep Joint Distribution Optimal Transport for
 * Unsupervised Domain Adaptation", arXiv:1803.10081).
 *
 * The plan minimises the same cost for the batch at the present weights and is held while they move. The paper solves it exactly; here
 * it is Sinkhorn's iteration with a small entropy, written out in the graph: no second pass, and the same plan on every platform.
 */
export function deepJdot(options: DeepJdotOptions = {}): AdaptationMethod {
  const { alpha = 0.1, lambda = 0.1, epsilon = 0.05, iterations = 50 } = options
  if (![alpha, lambda, epsilon].every((value) => value > 0) || !Number.isInteger(iterations) || iterations < 1)
    throw new UsageError(
      `DeepJDOT: alpha is ${alpha}, lambda ${lambda}, epsilon ${epsilon} and iterations ${iterations}; expected numbers above 0.`,
    )
  const name = 'deepjdot'
  const title = 'DeepJDOT'
  return {
    name,
    title,
    paper: 'Damodaran et al. 2018, DeepJDOT, arXiv:1803.10081',
    needs: ['features'],
    options: { alpha, lambda, epsilon, iterations },
    prepare(context) {
      const { value, width } = classFeatures(context, title)
      return {
        name,
        values: [value],
        loss(loss) {
          const { g, progress } = loss
          const { source, target } = sidesWithTarget(loss, value)
          const distances = squaredDistances(g, source.features, target.features)
          const near = g.op('Mul', [distances, g.float(alpha / width)])
          const suits = g.op('Mul', [labelCosts(g, knownTargets(g, source), target.logits), g.float(lambda)])
          const cost = g.op('Add', [near, suits])
          const plan = sinkhornPlan(g, cost, { epsilon, iterations })
          return { add: asTerm(loss, transportCost(g, plan, cost), ramp(g, progress)) }
        },
      }
    },
  }
}
