/** AFN: features of both domains are drawn to a length that is larger than that of the target's. */
import { attr } from '../../graph/graph.js'
import type { Emitter } from '../../ops/operator.js'
import { averaged } from '../weighted.js'

/** Added to a squared length, so that the zero vector has a gradient. */
const TINY = 1e-12

/** norm(f_n), (N). */
function lengths(g: Emitter, features: string): string {
  const squares = g.op('ReduceSum', [g.op('Mul', [features, features]), g.ints([1])], { keepdims: attr.int(0) })
  return g.op('Sqrt', [g.op('Add', [squares, g.float(TINY)])])
}

/**
 * Stepwise: L = mean over n of (norm(f_n) - (r_n + step))^2, r_n being norm(f_n) held. Its value is step^2 whatever the features are;
 * its gradient makes each feature longer at the same rate (Xu, Li, Yang and Lin 2019, "Larger Norm More Transferable: An Adaptive
 * Feature Norm Approach for Unsupervised Domain Adaptation", arXiv:1811.07456, SAFN).
 *
 * @param features f, (N, D)
 * @param step Delta r
 * @param weights (N), sum to 1. Default: 1 / N
 */
export function stepwiseNorm(g: Emitter, features: string, step: number, weights?: string): string {
  const length = lengths(g, features)
  const off = g.op('Sub', [length, g.op('Add', [g.detached(length), g.float(step)])])
  return averaged(g, g.op('Mul', [off, off]), weights)
}

/** Hard: L = mean over n of (norm(f_n) - R)^2 (the same paper, HAFN). */
export function hardNorm(g: Emitter, features: string, radius: number, weights?: string): string {
  const off = g.op('Sub', [lengths(g, features), g.float(radius)])
  return averaged(g, g.op('Mul', [off, off]), weights)
}
