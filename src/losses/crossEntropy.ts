/** Cross-entropy on logits. */
import { attr } from '../graph/graph.js'
import type { Emitter } from '../ops/operator.js'

/**
 * L = sum over n of w_n (- sum over c of t_nc log softmax(z_n)_c), stable for any logits.
 *
 * @param logits z, (N, C)
 * @param targets t, (N, C): one-hot, smoothed or mixed; rows sum to 1
 * @param weights w, (N): 1 / N for the mean; 0 leaves a sample out with exactly zero gradient
 * @returns a scalar
 */
export function softmaxCrossEntropy(g: Emitter, logits: string, targets: string, weights: string): string {
  const logProbabilities = g.op('LogSoftmax', [logits], { axis: attr.int(-1) })
  const perSample = g.op('ReduceSum', [g.op('Mul', [targets, logProbabilities]), g.ints([1])], {
    keepdims: attr.int(0),
  })
  return g.op('Neg', [g.op('ReduceSum', [g.op('Mul', [perSample, weights]), g.ints([0])], { keepdims: attr.int(0) })])
}
