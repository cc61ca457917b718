import { argmaxRows, takeRows } from '../../base/matrix.js'
import { densityRatio } from '../shift/domainClassifier.js'
import { judgedFeatures, type Validator } from './validator.js'

/**
 * Importance-weighted validation: sum_i w_i [right] / sum_i w_i over held-out source samples, w = p_target(x) / p_source(x) by the odds
 * of a classifier of the two in the common features. Right where only the inputs' density moved and the domains overlap; where
 * they hardly do, few samples carry all the weight.
 *
 * The two halves of the held-out samples take turns: the classifier that weighs one half is fitted on the other.
 */
export const importanceWeighted: Validator = {
  name: 'importance-weighted',
  title: 'source accuracy weighted towards the target',
  paper: 'Sugiyama, Krauledat, Müller 2007, Covariate Shift Adaptation by Importance Weighted Cross Validation, JMLR 8',
  score: (candidate, _, context) => {
    const { source, target } = judgedFeatures(candidate, context)
    if (source.rows < 4 || target.rows < 2) return undefined
    const random = context.random.fork('importance-weighted')
    const order = random.permutation(source.rows)
    const halves = [order.slice(0, source.rows >> 1), order.slice(source.rows >> 1)] as const
    const predictions = argmaxRows(candidate.source.logits)
    let right = 0
    let total = 0
    for (const [own, other] of [halves, [halves[1], halves[0]]] as const) {
      const weights = densityRatio(takeRows(source, other), target, takeRows(source, own), random)
      own.forEach((i, at) => {
        total += weights[at]!
        if (predictions[i] === candidate.source.labels[i]) right += weights[at]!
      })
    }
    return total > 0 ? right / total : undefined
  },
}
