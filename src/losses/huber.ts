/** Huber's loss: squared near the target, linear far from it. */
import { attr } from '../graph/graph.js'
import type { Emitter } from '../ops/operator.js'
import { weightedSum } from './weighted.js'

/**
 * L = sum over n of w_n (mean over k of h(y_nk - t_nk)), h(r) = r^2 / 2 where |r| <= delta, else delta (|r| - delta / 2)
 * (Huber 1964; torch.nn.HuberLoss). Written as c (r - c / 2) with c = clip(r, -delta, delta).
 *
 * @param outputs y, (N, K)
 * @param targets t, (N, K)
 * @param weights w, (N): 1 / N for the mean; 0 leaves a sample out with exactly zero gradient
 * @param delta where it turns linear, in the unit of the targets. @default 1
 * @returns a scalar
 */
export function huber(g: Emitter, outputs: string, targets: string, weights: string, delta = 1): string {
  const off = g.op('Sub', [outputs, targets])
  const near = g.op('Clip', [off, g.float(-delta), g.float(delta)])
  const each = g.op('Mul', [near, g.op('Sub', [off, g.op('Mul', [near, g.float(0.5)])])])
  return weightedSum(g, g.op('ReduceMean', [each, g.ints([1])], { keepdims: attr.int(0) }), weights)
}
