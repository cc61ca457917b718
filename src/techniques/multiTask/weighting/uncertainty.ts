/** Weights from each task's own noise. */
import { adamStart, adamStep } from './scalarAdam.js'
import { checkRate, type TaskWeighting } from './weighting.js'

export interface UncertaintyOptions {
  /** Of Adam on the log-variances. @default 0.01 */
  readonly rate?: number
}

/**
 * L = sum over tasks of L_k / (2 sigma_k^2) + log sigma_k, with s_k = log sigma_k^2 learnt beside the network: the weight of a
 * task is exp(-s_k) / 2, and s_k follows dL/ds_k = (1 - exp(-s_k) L_k) / 2, from 0 (Kendall, Gal and Cipolla 2018).
 */
export function uncertainty(options: UncertaintyOptions = {}): TaskWeighting {
  const { rate = 0.01 } = options
  checkRate('uncertainty', rate)
  return {
    name: 'uncertainty',
    title: 'Uncertainty weighting',
    paper:
      'Kendall, Gal and Cipolla 2018, Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics, arXiv:1705.07115',
    options: { rate },
    start: (tasks) => ({ values: new Array<number>(tasks).fill(0), ...adamStart(tasks) }),
    fed: ({ values }) => values!.map((s) => Math.exp(-s) / 2),
    after(memory, { losses, present }) {
      const gradient = memory.values!.map((s, k) => (present[k] ? (1 - Math.exp(-s) * losses[k]!) / 2 : undefined))
      return { ...memory, ...adamStep(memory.values!, gradient, memory, rate) }
    },
  }
}
