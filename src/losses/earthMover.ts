/** The squared earth mover's distance between distributions over ordered classes. */
import { attr } from '../graph/graph.js'
import { float32 } from '../graph/tensor.js'
import type { Emitter } from '../ops/operator.js'
import { weightedSum } from './weighted.js'

/**
 * L = sum over n of w_n (sum over k of (P_nk - T_nk)^2), P and T being the cumulative sums of softmax(z) and t: classes that lie
 * further from the true one cost more (Hou, Yu and Samaras 2016, "Squared Earth Mover's Distance-based Loss for Training Deep
 * Neural Networks", arXiv:1611.05916).
 *
 * @param logits z, (N, K), classes in their order
 * @param targets t, (N, K), rows sum to 1
 * @param weights w, (N): 1 / N for the mean; 0 leaves a sample out with exactly zero gradient
 * @returns a scalar
 */
export function squaredEarthMover(g: Emitter, logits: string, targets: string, weights: string): string {
  const k = g.shape(logits)[1] as number
  const difference = g.op('Sub', [g.op('Softmax', [logits], { axis: attr.int(-1) }), targets])
  // A product with an upper triangle of ones is a cumulative sum.
  const triangle = float32(
    [k, k],
    Array.from({ length: k * k }, (_, i) => (Math.floor(i / k) <= i % k ? 1 : 0)),
  )
  const cumulative = g.op('MatMul', [difference, g.constant(triangle)])
  const perSample = g.op('ReduceSum', [g.op('Mul', [cumulative, cumulative]), g.ints([1])], { keepdims: attr.int(0) })
  return weightedSum(g, perSample, weights)
}
