/** Values whose gradient is not that of what they were computed from. */
import type { Emitter } from '../../ops/operator.js'

/**
 * Gradient reversal: y = x, dL/dx = -lambda dL/dy (Ganin and Lempitsky 2015, "Unsupervised Domain Adaptation by
 * Backpropagation", arXiv:1409.7495). What is behind it descends its loss; what is before it ascends that loss.
 *
 * @param lambda a scalar of the graph, or a number
 */
export function reverseGradient(g: Emitter, x: string, lambda: string | number): string {
  return g.scaledGradient(x, typeof lambda === 'number' ? g.float(-lambda) : g.op('Neg', [lambda]))
}

/** y = x, and no gradient passes. */
export function stopGradient(g: Emitter, x: string): string {
  return g.detached(x)
}
