/** Mean squared error. */
import { attr } from '../graph/graph.js'
import type { Emitter } from '../ops/operator.js'

/**
 * L = sum over n of w_n (mean over the rest of (y - t)^2).
 *
 * @param outputs y, (N, ...)
 * @param targets t, in the shape of y
 * @param weights w, (N): 1 / N for the mean; 0 leaves a sample out
 * @returns a scalar
 */
export function meanSquare(g: Emitter, outputs: string, targets: string, weights: string): string {
  const shape = g.shape(outputs)
  const off = g.op('Sub', [outputs, targets])
  const squares = g.op('Mul', [off, off])
  const rest = shape.slice(1).map((_, i) => i + 1)
  const perSample = rest.length === 0 ? squares : g.op('ReduceMean', [squares, g.ints(rest)], { keepdims: attr.int(0) })
  return g.op('ReduceSum', [g.op('Mul', [perSample, weights]), g.ints([0])], { keepdims: attr.int(0) })
}
