/** What all losses end with. */
import { attr } from '../graph/graph.js'
import type { Emitter } from '../ops/operator.js'

/** sum of w x over all entries, a scalar; x and w have one shape. */
export function weightedSum(g: Emitter, values: string, weights: string): string {
  return sumOf(g, g.op('Mul', [values, weights]))
}

/** sum of x over all entries, a scalar. */
export function sumOf(g: Emitter, value: string): string {
  return g.op('ReduceSum', [value, allAxes(g, value)], { keepdims: attr.int(0) })
}

/** The mean of x over all entries, a scalar. */
export function meanOf(g: Emitter, value: string): string {
  return g.op('ReduceMean', [value, allAxes(g, value)], { keepdims: attr.int(0) })
}

/** sum of x^2 over all entries, a scalar. */
export function sumOfSquares(g: Emitter, value: string): string {
  return g.op('ReduceSumSquare', [value, allAxes(g, value)], { keepdims: attr.int(0) })
}

const allAxes = (g: Emitter, value: string): string => g.ints(g.shape(value).map((_, i) => i))

/**
 * sum over n of w_n x_n, a scalar: the mean where there are no weights.
 *
 * @param values x, (N)
 * @param weights w, (N), sum to 1
 */
export function averaged(g: Emitter, values: string, weights: string | undefined): string {
  return weights === undefined ? meanOf(g, values) : weightedSum(g, values, weights)
}

/** w / sum of w, (N), for w that are not negative; all 0 where every one of them is. */
export function shares(g: Emitter, weights: string): string {
  return g.op('Div', [weights, g.op('Add', [sumOf(g, weights), g.float(1e-12)])])
}
