/** Of conflicting gradients, those of one sign are dropped at random, value by value. */
import { UsageError } from '../../../base/errors.js'
import type { TaskWeighting } from '../weighting/weighting.js'

export interface GradDropOptions {
  /** Share of each gradient that passes whatever is drawn. @default 0 */
  readonly leak?: number
}

/**
 * At every value of the representation P = (1 + sum of g_k / sum of |g_k|) / 2; with U uniform in [0, 1) the positive parts of all
 * g_k pass where P > U, the negative ones where P < U; task k passes l g_k + (1 - l) of that (Chen et al. 2020, their layer with
 * f the identity, each sample drawn for itself).
 */
export function gradDrop(options: GradDropOptions = {}): TaskWeighting {
  const { leak = 0 } = options
  if (!(leak >= 0 && leak <= 1)) throw new UsageError(`GradDrop: the leak is ${leak}; expected 0 <= leak <= 1.`)
  return {
    name: 'graddrop',
    title: 'GradDrop',
    paper:
      'Chen et al. 2020, Just Pick a Sign: Optimizing Deep Multitask Models with Gradient Sign Dropout, arXiv:2010.06808',
    options: { leak },
    scope: 'shared',
    start: (tasks) => ({ weights: new Array<number>(tasks).fill(1) }),
    fed: ({ weights }) => weights!,
    drop(g, gradients, noise) {
      const total = (values: readonly string[]) => values.reduce((sum, value) => g.op('Add', [sum, value]))
      const zero = g.float(0)
      const sum = total(gradients)
      const size = total(gradients.map((gradient) => g.op('Abs', [gradient])))
      const purity = g.op('Div', [sum, g.op('Max', [size, g.float(1e-30)])])
      const share = g.op('Mul', [g.op('Add', [purity, g.float(1)]), g.float(0.5)])
      const up = g.op('Greater', [share, noise])
      const passed = total(
        gradients.map((gradient) => g.op('Where', [up, g.op('Max', [gradient, zero]), g.op('Min', [gradient, zero])])),
      )
      if (leak === 0) return passed
      return g.op('Add', [g.op('Mul', [sum, g.float(leak)]), g.op('Mul', [passed, g.float(1 - leak)])])
    },
  }
}
