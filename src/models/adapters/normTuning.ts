/**
 * Norm-tuning: only the scales and shifts of normalisations train (Frankle et al. 2020, https://arxiv.org/abs/2003.00152,
 * for batch norm; Zhao et al. 2023, https://arxiv.org/abs/2312.11420, for layer norm).
 */
import { ownParameters } from './bitFit.js'
import type { AdapterMethod } from './method.js'

export function normTuning(): AdapterMethod {
  return ownParameters('norm-tuning', ['norm scale', 'norm shift'], 'scale or shift of a normalisation')
}
