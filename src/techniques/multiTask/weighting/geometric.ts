/** The geometric mean of the losses. */
import { attr } from '../../../graph/graph.js'
import type { TaskWeighting } from './weighting.js'

/**
 * L = (product over the n present tasks of L_k)^(1 / n): the weight of a task is L / (n L_k), so that the scale of a loss does not
 * matter (Chennupati et al. 2019). Losses must be above 0.
 */
export function geometric(): TaskWeighting {
  return {
    name: 'geometric',
    title: 'Geometric mean',
    paper:
      'Chennupati et al. 2019, MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy, arXiv:1904.08492',
    options: {},
    nonlinear: true,
    start: () => ({}),
    fed: (_, present) => present.map(Number),
    weigh(g, losses, _fed, present) {
      const sum = (values: string) => g.op('ReduceSum', [values, g.ints([0])], { keepdims: attr.int(1) })
      const positive = g.op('Max', [losses, g.float(1e-12)])
      const count = g.op('Max', [sum(present), g.float(1)])
      const logarithms = g.op('Mul', [g.op('Log', [positive]), present])
      const mean = g.op('Exp', [g.op('Div', [sum(logarithms), count])])
      return g.op('Mul', [g.op('Div', [g.op('Div', [mean, count]), positive]), present])
    },
  }
}
