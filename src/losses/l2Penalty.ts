/** The squared norm of a weight. */
import { attr } from '../graph/graph.js'
import type { Emitter } from '../ops/operator.js'

/** lambda norm(W)^2, a scalar; W of any shape, lambda a scalar value. */
export function l2Penalty(g: Emitter, weight: string, lambda: string): string {
  const axes = g.ints(g.shape(weight).map((_, i) => i))
  return g.op('Mul', [lambda, g.op('ReduceSumSquare', [weight, axes], { keepdims: attr.int(0) })])
}
