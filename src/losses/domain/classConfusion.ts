/** MCC: how much predictions confuse classes with one another. */
import { attr } from '../../graph/graph.js'
import { float32 } from '../../graph/tensor.js'
import { transpose } from '../../ops/emit.js'
import type { Emitter } from '../../ops/operator.js'
import { sumOf } from '../weighted.js'
import { entropies } from './entropy.js'

export interface ClassConfusionOptions {
  /** T. @default 2.5 */
  readonly temperature?: number
  /** (N): by what each sample counts; 0 leaves it out. Their sum does not matter. Default: 1 */
  readonly weights?: string | undefined
}

/**
 * L = (1 / C) sum over j != k of K_jk, with p = softmax(z / T), K = P^T diag(w) P, each row of it divided by its sum, and w_n in
 * proportion to 1 + exp(-H(p_n)), held (Jin, Wang, Long and Wang 2020, "Minimum Class Confusion for Versatile Domain Adaptation",
 * arXiv:1912.03699; as in the authors' code no gradient passes through w).
 *
 * @param logits z, (N, C)
 * @returns a scalar, from 0 to 1
 */
export function classConfusion(g: Emitter, logits: string, options: ClassConfusionOptions = {}): string {
  const { temperature = 2.5, weights } = options
  const [n, classes] = g.shape(logits) as [number, number]
  const softened = g.op('Div', [logits, g.float(temperature)])
  const probabilities = g.op('Softmax', [softened], { axis: attr.int(-1) })
  const sureness = g.op('Add', [g.op('Exp', [g.op('Neg', [entropies(g, g.detached(softened))])]), g.float(1)])
  const counted = weights === undefined ? sureness : g.op('Mul', [sureness, weights])
  const weighted = g.op('Mul', [probabilities, g.op('Reshape', [counted, g.ints([n, 1])])])
  const together = g.op('MatMul', [transpose(g, weighted, [1, 0]), probabilities])
  // A class that nothing is taken for has a row of zeros.
  const sums = g.op('Add', [g.op('ReduceSum', [together, g.ints([1])], { keepdims: attr.int(1) }), g.float(1e-12)])
  const offDiagonal = float32(
    [classes, classes],
    Array.from({ length: classes * classes }, (_, i) => (i % (classes + 1) === 0 ? 0 : 1 / classes)),
  )
  return sumOf(g, g.op('Mul', [g.op('Div', [together, sums]), g.constant(offDiagonal)]))
}
