/** The loss of samples of which only a set of classes is known that theirs is one of. */
import { attr } from '../graph/graph.js'
import type { Emitter } from '../ops/operator.js'
import { weightedSum } from './weighted.js'

/** Stands for log 0. */
const IMPOSSIBLE = -1e4

/**
 * L = sum over n of w_n (- log sum over c of t_nc softmax(z_n)_c), stable for any logits (Jin and Ghahramani 2002, "Learning with
 * multiple labels"). Of one class it is the cross-entropy, of all classes it is 0, and so is its gradient.
 *
 * @param logits z, (N, C)
 * @param targets t, (N, C): 1 for classes that the sample may have, else 0; a 1 in each row that has a weight
 * @param weights w, (N): 1 / N for the mean; 0 leaves a sample out with exactly zero gradient
 * @returns a scalar
 */
export function possibleClasses(g: Emitter, logits: string, targets: string, weights: string): string {
  const last = g.shape(logits).length - 1
  const logProbabilities = g.op('LogSoftmax', [logits], { axis: attr.int(-1) })
  const barred = g.op('Mul', [g.op('Sub', [targets, g.float(1)]), g.float(-IMPOSSIBLE)])
  const among = g.op('Add', [logProbabilities, barred])
  const perSample = g.op('ReduceLogSumExp', [among, g.ints([last])], { keepdims: attr.int(0) })
  return g.op('Neg', [weightedSum(g, perSample, weights)])
}
