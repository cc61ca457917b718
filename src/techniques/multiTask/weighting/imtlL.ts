/** Weights that keep every weighted loss near 1. */
import { adamStart, adamStep } from './scalarAdam.js'
import { checkRate, type TaskWeighting } from './weighting.js'

export interface ImtlLOptions {
  /** Of Adam on the logarithms of the weights. @default 0.01 */
  readonly rate?: number
}

/**
 * L = sum over tasks of exp(s_k) L_k - s_k, with s_k learnt beside the network: at its optimum every exp(s_k) L_k is 1, whatever
 * the scale of the loss (Liu et al. 2021, the "loss balance" part of IMTL). From s_k = 0.
 */
export function imtlL(options: ImtlLOptions = {}): TaskWeighting {
  const { rate = 0.01 } = options
  checkRate('IMTL-L', rate)
  return {
    name: 'imtl-l',
    title: 'IMTL-L',
    paper: 'Liu et al. 2021, Towards Impartial Multi-task Learning, ICLR',
    options: { rate },
    start: (tasks) => ({ values: new Array<number>(tasks).fill(0), ...adamStart(tasks) }),
    fed: ({ values }) => values!.map(Math.exp),
    after(memory, { losses, present }) {
      const gradient = memory.values!.map((s, k) => (present[k] ? Math.exp(s) * losses[k]! - 1 : undefined))
      return { ...memory, ...adamStep(memory.values!, gradient, memory, rate) }
    },
  }
}
