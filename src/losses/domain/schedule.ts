/** What a term counts for while a training goes on. */
import type { Emitter } from '../../ops/operator.js'

/**
 * high (2 / (1 + exp(-gamma p)) - 1), rising from 0 at p = 0 to nearly `high` at p = 1 (Ganin et al. 2016, "Domain-Adversarial
 * Training of Neural Networks", arXiv:1505.07818, section 5.2.2).
 *
 * @param progress p, a scalar in [0, 1]
 * @param gamma how fast it rises. @default 10
 */
export function ramp(g: Emitter, progress: string, high = 1, gamma = 10): string {
  const risen = g.op('Sigmoid', [g.op('Mul', [progress, g.float(gamma)])])
  return g.op('Sub', [g.op('Mul', [risen, g.float(2 * high)]), g.float(high)])
}
