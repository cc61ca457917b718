/** How sure predictions are, and how evenly they are spread over the classes. */
import { attr } from '../../graph/graph.js'
import type { Emitter } from '../../ops/operator.js'
import { averaged, sumOf } from '../weighted.js'

/** Inside a logarithm of a mean of probabilities. */
const TINY = 1e-12

/** H_n = - sum over c of p_nc log p_nc with p = softmax(z), in nats, (N). @param logits z, (N, C) */
export function entropies(g: Emitter, logits: string): string {
  const logs = g.op('LogSoftmax', [logits], { axis: attr.int(-1) })
  const probabilities = g.op('Softmax', [logits], { axis: attr.int(-1) })
  return g.op('Neg', [g.op('ReduceSum', [g.op('Mul', [probabilities, logs]), g.ints([1])], { keepdims: attr.int(0) })])
}

/**
 * L = sum over n of w_n H_n (Grandvalet and Bengio 2004, "Semi-supervised Learning by Entropy Minimization", NIPS).
 *
 * @param logits z, (N, C)
 * @param weights w, (N), sum to 1. Default: 1 / N
 * @returns a scalar, from 0 to log C
 */
export function meanEntropy(g: Emitter, logits: string, weights?: string): string {
  return averaged(g, entropies(g, logits), weights)
}

/**
 * H(m) of the mean prediction m = sum over n of w_n p_n: log C where every class is predicted equally often.
 *
 * @param logits z, (N, C)
 * @param weights w, (N), sum to 1. Default: 1 / N
 * @returns a scalar, from 0 to log C
 */
export function marginalEntropy(g: Emitter, logits: string, weights?: string): string {
  const mean = meanPrediction(g, logits, weights)
  const logs = g.op('Log', [g.op('Add', [mean, g.float(TINY)])])
  return g.op('Neg', [sumOf(g, g.op('Mul', [mean, logs]))])
}

/** m, (C). */
function meanPrediction(g: Emitter, logits: string, weights: string | undefined): string {
  const probabilities = g.op('Softmax', [logits], { axis: attr.int(-1) })
  if (weights === undefined) return g.op('ReduceMean', [probabilities, g.ints([0])], { keepdims: attr.int(0) })
  const [n] = g.shape(logits) as [number]
  const weighted = g.op('Mul', [probabilities, g.op('Reshape', [weights, g.ints([n, 1])])])
  return g.op('ReduceSum', [weighted, g.ints([0])], { keepdims: attr.int(0) })
}

/**
 * L = sum over n of w_n H_n - b H(m), the negative of the mutual information of sample and prediction where b is 1: each sample
 * surely of a class, the classes equally often (Krause, Perona and Gomes 2010, "Discriminative Clustering by Regularized Information
 * Maximization", NIPS; in adaptation Shi and Sha 2012, and Liang et al. 2020, arXiv:2002.08546).
 *
 * @param logits z, (N, C)
 * @param options.balance b; 0 leaves the entropy alone, for targets with other shares of the classes. @default 1
 * @param options.weights w, (N), sum to 1. Default: 1 / N
 * @returns a scalar, from -log C to log C
 */
export function informationMaximisation(
  g: Emitter,
  logits: string,
  options: { readonly balance?: number; readonly weights?: string | undefined } = {},
): string {
  const { balance = 1, weights } = options
  const sure = meanEntropy(g, logits, weights)
  if (balance === 0) return sure
  return g.op('Sub', [sure, g.op('Mul', [marginalEntropy(g, logits, weights), g.float(balance)])])
}
