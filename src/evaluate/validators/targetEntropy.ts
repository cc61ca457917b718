import { softmaxRows } from '../../base/matrix.js'
import { meanEntropy } from './distributions.js'
import type { Validator } from './validator.js'

/**
 * -(1/N) sum_i H(p_i) of the target's predictions, nats: how sure the model is. A model that says one class for everything is
 * as sure as can be, so never by itself.
 */
export const targetEntropy: Validator = {
  name: 'entropy',
  title: 'certainty on the target (negative entropy)',
  paper: 'Morerio, Cavazza, Murino 2018, Minimal-Entropy Correlation Alignment for UDA, arXiv 1711.10288',
  score: ({ target }) => -meanEntropy(softmaxRows(target.logits)),
}
