/** Binary cross-entropy on logits: several labels a sample, each there or not. */
import { attr } from '../graph/graph.js'
import { float32 } from '../graph/tensor.js'
import type { Emitter } from '../ops/operator.js'
import { weightedSum } from './weighted.js'

/**
 * L = sum over n of w_n (mean over c of (1 - t_nc) softplus(z_nc) + p_c t_nc softplus(-z_nc)), where softplus(-z) is
 * -log sigmoid(z); stable for any logits. The same as torch.nn.BCEWithLogitsLoss.
 *
 * @param logits z, (N, C)
 * @param targets t, (N, C), in [0, 1]
 * @param weights w, (N): 1 / N for the mean; 0 leaves a sample out with exactly zero gradient
 * @param positive p, (C): what a present label weighs against an absent one. Default: 1 for each
 * @returns a scalar
 */
export function sigmoidCrossEntropy(
  g: Emitter,
  logits: string,
  targets: string,
  weights: string,
  positive?: readonly number[],
): string {
  const absent = g.op('Mul', [g.op('Sub', [g.float(1), targets]), g.op('Softplus', [logits])])
  const missed = g.op('Mul', [targets, g.op('Softplus', [g.op('Neg', [logits])])])
  const present = positive ? g.op('Mul', [missed, g.constant(float32([positive.length], positive))]) : missed
  const perSample = g.op('ReduceMean', [g.op('Add', [absent, present]), g.ints([1])], { keepdims: attr.int(0) })
  return weightedSum(g, perSample, weights)
}
