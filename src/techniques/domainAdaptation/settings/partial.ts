/** Partial adaptation: the target has some of the source's classes only. */
import { matrix, softmaxRows } from '../../../base/matrix.js'
import { meanOf } from '../../../losses/weighted.js'
import type { GraphBuilder } from '../../../ops/builder.js'
import { floats } from '../../../runtime/types.js'
import { checkClasses, targetDomain } from '../checks.js'
import { type AdaptationMethod, sidesWithTarget } from '../method.js'
import { bothKept, checkClassifies, checkWeighs, innerTerm, times, withContext } from './around.js'

/**
 * Source samples of class c count g_c, in the classification and in the terms of the method within: g is the mean of softmax(z) over the
 * target, divided by its largest entry, found anew at the start of each epoch, so that classes which the target does not have fade (Cao, Ma,
 * Long and Wang 2018, "Partial Adversarial Domain Adaptation", arXiv:1808.04205). Weights of a batch are scaled to a mean of 1.
 *
 * @param method around which it stands; it must weigh rows. Without one the classification alone is weighed
 */
export function partialTarget(method?: AdaptationMethod): AdaptationMethod {
  checkWeighs(method, 'Partial adaptation')
  const name = method === undefined ? 'partial' : `partial ${method.name}`
  const title = method === undefined ? 'Class weights (PADA)' : `${method.title}, partial (PADA)`
  return {
    name,
    title,
    paper: `Cao, Ma, Long and Wang 2018, Partial Adversarial Domain Adaptation, arXiv:1808.04205${method === undefined ? '' : `; ${method.paper}`}`,
    needs: method?.needs ?? [],
    weighs: true,
    options: { within: method === undefined ? null : { name: method.name, options: method.options } },
    ...(method?.takes && { takes: () => method.takes?.() ?? {} }),
    async prepare(context) {
      const { objective, train } = context
      checkClasses(objective, 'Partial adaptation')
      const target = targetDomain(train, 'Partial adaptation')
      const inner = await method?.prepare(context)
      checkClassifies(inner, 'Partial adaptation')
      const classes = objective.outputs
      return {
        ...inner,
        name,
        classifies: true,
        async epoch(epoch) {
          const { logits } = await epoch.outputs(target.source)
          return bothKept({ 'class weights': floats([classes], classWeights(logits)) }, inner, epoch)
        },
        loss(loss) {
          const { g, logits, targets, weights } = loss
          const byClass = g.op('Reshape', [loss.feed('class weights', [classes]), g.ints([classes, 1])])
          const rows = g.shape(weights)
          const own = g.op('Reshape', [g.op('MatMul', [targets, byClass]), g.ints(rows)])
          const { source } = sidesWithTarget(withContext(loss, { counts: own }))
          const scaled = g.op('Div', [own, g.op('Add', [meanOf(g, source.counts as string), g.float(1e-12)])])
          const known = isSource(g, loss.domains, rows)
          // Of rows that have no class to be weighed by each counts as one.
          const counts = g.op('Add', [g.op('Mul', [scaled, known]), g.op('Sub', [g.float(1), known])])
          const weighed = g.op('Mul', [weights, counts])
          const term = innerTerm(inner, withContext(loss, { weights: weighed, counts }))
          const classified = times(loss, objective.loss(g, logits, targets, weighed), term.own)
          return { ...term, own: 0, add: g.op('Add', [classified, term.add]) }
        },
      }
    },
  }
}

/** The mean prediction divided by its largest entry, (C). */
export function classWeights(logits: Parameters<typeof softmaxRows>[0]): Float32Array {
  const { rows, columns, data } = softmaxRows(logits)
  const mean = matrix(1, columns).data
  for (let i = 0; i < data.length; i++) mean[i % columns] = mean[i % columns]! + data[i]! / rows
  const largest = mean.reduce((a, b) => Math.max(a, b))
  return mean.map((v) => v / largest)
}

/** 1 for rows of labelled domains, 0 for others, (N). */
function isSource(
  g: GraphBuilder,
  domains: readonly { readonly start: number; readonly rows: number; readonly labelled: boolean }[],
  dims: readonly number[],
): string {
  const flags = new Float32Array(dims[0]!)
  for (const { start, rows, labelled } of domains) if (labelled) flags.fill(1, start, start + rows)
  return g.constant({ type: 'float32', dims, data: flags })
}
