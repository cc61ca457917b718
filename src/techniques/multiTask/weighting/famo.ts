/** Weights that let all losses fall at like rates, for one more forward pass. */
import { UsageError } from '../../../base/errors.js'
import { attr } from '../../../graph/graph.js'
import { adamStart, adamStep } from './scalarAdam.js'
import { checkRate, type TaskWeighting } from './weighting.js'

export interface FamoOptions {
  /** Of Adam on the logits of the weights. @default 0.025 */
  readonly rate?: number
  /** What pulls the logits towards 0. @default 0.01 */
  readonly decay?: number
}

/** Keeps logarithms finite. */
const TINY = 1e-8

/**
 * Fast adaptive multitask optimisation: the step is that of sum over tasks of z_k log L_k times c, z = softmax(xi) and
 * c = 1 / sum over tasks of z_k / L_k, so the weight of a task is c z_k / L_k. After it xi follows the gradient
 * z_k (d_k - sum over j of z_j d_j) + decay xi_k, d_k = log L_k(before) - log L_k(after) on the same samples: tasks that fell most
 * weigh less from then on (Liu et al. 2023). Losses must be above 0.
 */
export function famo(options: FamoOptions = {}): TaskWeighting {
  const { rate = 0.025, decay = 0.01 } = options
  checkRate('FAMO', rate)
  if (!(decay >= 0)) throw new UsageError(`FAMO: the decay is ${decay}; expected a number that is 0 or more.`)
  return {
    name: 'famo',
    title: 'FAMO',
    paper: 'Liu et al. 2023, FAMO: Fast Adaptive Multitask Optimization, arXiv:2306.03792',
    options: { rate, decay },
    needs: 'losses after',
    nonlinear: true,
    start: (tasks) => ({ values: new Array<number>(tasks).fill(0), ...adamStart(tasks) }),
    fed: ({ values }, present) => softmaxOf(values!, present),
    weigh(g, losses, fed) {
      const shares = g.op('Div', [fed, g.op('Add', [losses, g.float(TINY)])])
      return g.op('Div', [shares, g.op('ReduceSum', [shares, g.ints([0])], { keepdims: attr.int(1) })])
    },
    after(memory, { losses, after, present }) {
      if (after === undefined) return memory
      const z = softmaxOf(memory.values!, present)
      const fell = losses.map((loss, k) => (present[k] ? Math.log(loss + TINY) - Math.log(after[k]! + TINY) : 0))
      if (!fell.every(Number.isFinite)) return memory
      const mean = fell.reduce((sum, d, k) => sum + z[k]! * d, 0)
      const gradient = fell.map((d, k) => (present[k] ? z[k]! * (d - mean) + decay * memory.values![k]! : undefined))
      return { ...memory, ...adamStep(memory.values!, gradient, memory, rate) }
    },
  }
}

/** Over the tasks that are present; 0 for the others. */
function softmaxOf(values: readonly number[], present: readonly boolean[]): number[] {
  const top = Math.max(...values)
  const powers = values.map((value, k) => (present[k] ? Math.exp(value - top) : 0))
  const total = powers.reduce((a, b) => a + b, 0)
  return powers.map((power) => (total > 0 ? power / total : 0))
}
