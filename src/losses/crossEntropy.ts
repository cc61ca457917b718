/** Cross-entropy on logits. */
import { attr } from '../graph/graph.js'
import type { Emitter } from '../ops/operator.js'
import { weightedSum } from './weighted.js'

/**
 * L = sum over n of w_n (- sum over c of t_nc log softmax(z_n)_c), stable for any logits.
 *
 * @param logits z, (N, C), or (N, T, C) where every position has a class
 * @param targets t, in the shape of z: one-hot, smoothed or mixed; rows sum to 1
 * @param weights w, (N) or (N, T): 1 / N for the mean; 0 leaves a sample or position out with exactly zero gradient
 * @returns a scalar
 */
export function softmaxCrossEntropy(g: Emitter, logits: string, targets: string, weights: string): string {
  const last = g.shape(logits).length - 1
  const logProbabilities = g.op('LogSoftmax', [logits], { axis: attr.int(-1) })
  const perSample = g.op('ReduceSum', [g.op('Mul', [targets, logProbabilities]), g.ints([last])], {
    keepdims: attr.int(0),
  })
  return g.op('Neg', [weightedSum(g, perSample, weights)])
}
