/** BNM: predictions that are both sure and of many classes. */
import { attr } from '../../graph/graph.js'
import type { Emitter } from '../../ops/operator.js'
import { nuclearNorm } from '../singularValues.js'
import { sumOf } from '../weighted.js'

/**
 * L = - norm_*(P) / N, the nuclear norm of the predictions P = softmax(z): its Frobenius norm falls with their entropy, its rank is
 * the number of classes that are predicted (Cui et al. 2020, "Towards Discriminability and Diversity: Batch Nuclear-norm
 * Maximization under Label Insufficient Situations", arXiv:2003.12237).
 *
 * @param logits z, (N, C)
 * @param counts (N): each row of P is multiplied by it, and their sum takes the place of N; 0 leaves a sample out. Default: 1
 * @returns a scalar, from -sqrt(min(N, C) / N) to 0
 */
export function batchNuclearNorm(g: Emitter, logits: string, counts?: string): string {
  const [n] = g.shape(logits) as [number]
  const probabilities = g.op('Softmax', [logits], { axis: attr.int(-1) })
  if (counts === undefined) return g.op('Mul', [nuclearNorm(g, probabilities), g.float(-1 / n)])
  const counted = g.op('Mul', [probabilities, g.op('Reshape', [counts, g.ints([n, 1])])])
  const total = g.op('Add', [sumOf(g, counts), g.float(1e-12)])
  return g.op('Neg', [g.op('Div', [nuclearNorm(g, counted), total])])
}
