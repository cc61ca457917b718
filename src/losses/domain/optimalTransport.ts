/** How the rows of one sample are carried to those of another at the least cost. */

import { attr } from '../../graph/graph.js'
import { transpose } from '../../ops/emit.js'
import type { Emitter } from '../../ops/operator.js'
import { meanOf, weightedSum } from '../weighted.js'
import { stopGradient } from './gradient.js'

export interface SinkhornOptions {
  /** Of the entropy, as a share of the mean cost. @default 0.05 */
  readonly epsilon?: number
  /** @default 50 */
  readonly iterations?: number
}

/**
 * The plan that minimises <plan, cost> - epsilon mean(cost) H(plan) with all rows and all columns weighing the same (Cuturi 2013,
 * "Sinkhorn Distances", arXiv:1306.0895), by iterations on logarithms that are written out in the graph. No gradient passes through
 * it: the plan is found first and then held, as DeepJDOT alternates. Columns sum to 1 / m exactly, rows to 1 / n nearly.
 *
 * @param cost (n, m)
 * @returns (n, m)
 */
export function sinkhornPlan(g: Emitter, cost: string, options: SinkhornOptions = {}): string {
  const { epsilon = 0.05, iterations = 50 } = options
  const [n, m] = g.shape(cost) as [number, number]
  const held = stopGradient(g, cost)
  const strength = g.op('Add', [g.op('Mul', [meanOf(g, held), g.float(epsilon)]), g.float(1e-12)])
  const scaled = g.op('Neg', [g.op('Div', [held, strength])])
  let columns = ''
  let rows = ''
  for (let i = 0; i < iterations; i++) {
    rows = potential(g, columns === '' ? scaled : g.op('Add', [scaled, columns]), 1, n)
    columns = potential(g, g.op('Add', [scaled, rows]), 0, m)
  }
  return g.op('Exp', [g.op('Add', [g.op('Add', [scaled, rows]), columns])])
}

/** log(1 / count) - log sum exp along the axis. */
function potential(g: Emitter, x: string, axis: number, count: number): string {
  const top = g.op('ReduceMax', [x, g.ints([axis])], { keepdims: attr.int(1) })
  const sum = g.op('ReduceSum', [g.op('Exp', [g.op('Sub', [x, top])]), g.ints([axis])], { keepdims: attr.int(1) })
  return g.op('Sub', [g.float(-Math.log(count)), g.op('Add', [top, g.op('Log', [sum])])])
}

/** c_ij = - sum over c of y_ic log softmax(z_j)_c, (n, m): what row j loses where it is given the label of row i. */
export function labelCosts(g: Emitter, labels: string, logits: string): string {
  const logs = g.op('LogSoftmax', [logits], { axis: attr.int(-1) })
  return g.op('Neg', [g.op('MatMul', [labels, transpose(g, logs, [1, 0])])])
}

/** sum over i, j of plan_ij cost_ij, a scalar. */
export function transportCost(g: Emitter, plan: string, cost: string): string {
  return weightedSum(g, cost, plan)
}
