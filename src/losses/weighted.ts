/** What all losses end with. */
import { attr } from '../graph/graph.js'
import type { Emitter } from '../ops/operator.js'

/** sum of w x over all entries, a scalar; x and w have one shape. */
export function weightedSum(g: Emitter, values: string, weights: string): string {
  const axes = g.ints(g.shape(values).map((_, i) => i))
  return g.op('ReduceSum', [g.op('Mul', [values, weights]), axes], { keepdims: attr.int(0) })
}
