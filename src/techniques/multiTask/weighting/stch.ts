/** The smooth maximum of the losses: what is worst weighs most. */
import { UsageError } from '../../../base/errors.js'
import { attr } from '../../../graph/graph.js'
import type { TaskWeighting } from './weighting.js'

export interface StchOptions {
  /** The smaller, the closer to the plain maximum. @default 0.5 */
  readonly mu?: number
  /** What each task counts, in the order of the tasks. @default 1 each */
  readonly preference?: readonly number[]
  /** Divide each loss by its first value, so that tasks are compared by how far they have come. @default true */
  readonly relative?: boolean
}

/** Taken from the logits of tasks that are not present. */
const FAR = 1e4

/**
 * Smooth Tchebycheff scalarisation: L = mu log(sum over tasks of exp(p_k f_k / mu)), f_k the loss (over its first value), p the
 * preference; the ideal is 0. The weight of a task is p_k softmax(p f / mu)_k (over the first value), by which every Pareto-optimal
 * point can be reached, also where the front is not convex (Lin et al. 2024).
 */
export function stch(options: StchOptions = {}): TaskWeighting {
  const { mu = 0.5, preference, relative = true } = options
  if (!(mu > 0)) throw new UsageError(`STCH: mu is ${mu}; expected a number above 0.`)
  if (preference?.some((p) => !(p > 0 && p < Number.POSITIVE_INFINITY)))
    throw new UsageError(`STCH: the preference is [${preference.join(', ')}]; expected numbers above 0.`)
  return {
    name: 'stch',
    title: 'Smooth Tchebycheff',
    paper: 'Lin et al. 2024, Smooth Tchebycheff Scalarization for Multi-Objective Optimization, arXiv:2402.19078',
    options: { mu, preference: preference === undefined ? null : [...preference], relative },
    nonlinear: true,
    start(tasks) {
      if (preference !== undefined && preference.length !== tasks)
        throw new UsageError(`STCH: there are ${preference.length} preferences for ${tasks} tasks.`)
      return {
        preference: preference ?? new Array<number>(tasks).fill(1),
        first: new Array<number>(tasks).fill(relative ? 0 : 1),
      }
    },
    // What the losses are multiplied by before they are compared; 0 where the first value is not known yet.
    fed: (memory) => memory.preference!.map((p, k) => (memory.first![k]! > 0 ? p / memory.first![k]! : 0)),
    weigh(g, losses, fed, present) {
      const tasks = g.shape(losses)[0]!
      const prefer = g.constant({
        type: 'float32',
        dims: [tasks],
        data: Float32Array.from(preference ?? new Array<number>(tasks).fill(1)),
      })
      // At its first step a task's relative loss is 1.
      const here = g.op('Div', [prefer, g.op('Max', [losses, g.float(1e-12)])])
      const scale = g.op('Where', [g.op('Greater', [fed, g.float(0)]), fed, here])
      const f = g.op('Mul', [g.op('Div', [scale, g.float(mu)]), losses])
      const absent = g.op('Mul', [g.op('Sub', [g.float(1), present]), g.float(FAR)])
      return g.op('Mul', [scale, g.op('Softmax', [g.op('Sub', [f, absent])], { axis: attr.int(0) })])
    },
    after: (memory, { losses, present }) => ({
      ...memory,
      first: memory.first!.map((first, k) => (first === 0 && present[k] && losses[k]! > 0 ? losses[k]! : first)),
    }),
  }
}
