import { argmaxRows, type Matrix, matrix, softmaxRows } from '../../base/matrix.js'
import { accuracy } from '../metrics.js'
import type { Validator } from './validator.js'

/**
 * Share of the target samples on which a candidate says what the mean of all candidates' probabilities says. Candidates that err each
 * in its own way err less together; candidates that collapsed the same way agree with each other, so never by itself.
 */
export const ensembleAgreement: Validator = {
  name: 'ensemble-agreement',
  title: 'agreement with the mean of all candidates',
  paper:
    'Lakshminarayanan, Pritzel, Blundell 2017, Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles, arXiv 1612.01474',
  score: ({ target }, all) =>
    all.length < 3
      ? undefined
      : accuracy(argmaxRows(meanProbabilities(all.map((c) => c.target.logits))), argmaxRows(target.logits)),
}

/** Mean of softmax(logits) over several models of the same samples. */
export function meanProbabilities(logits: readonly Matrix[]): Matrix {
  const first = logits[0]!
  const sum = new Float64Array(first.data.length)
  for (const one of logits)
    softmaxRows(one).data.forEach((p, i) => {
      sum[i] = sum[i]! + p / logits.length
    })
  return matrix(first.rows, first.columns, Float32Array.from(sum))
}
