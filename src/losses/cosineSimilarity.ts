/** Squared error of the cosines between the samples of a batch. */
import { attr } from '../graph/graph.js'
import type { Emitter } from '../ops/operator.js'
import { weightedSum } from './weighted.js'

/** Added to the square of a vector's length, so that the zero vector has a gradient. */
const TINY = 1e-12

/**
 * L = sum over i, j of w_ij (cos(x_i, x_j) - s_ij)², cos(x, y) = x . y / (|x| |y|).
 *
 * Every sample goes through the network once, however many pairs it is in. With w the number of times that a pair is in the
 * batch over the number of pairs, this is sentence-transformers' CosineSimilarityLoss (Reimers and Gurevych 2019).
 *
 * @param features x, (N, D)
 * @param similarities s, (N, N)
 * @param weights w, (N, N): 0 for what is no pair
 * @returns a scalar
 */
export function cosineSimilarityLoss(g: Emitter, features: string, similarities: string, weights: string): string {
  const squares = g.op('ReduceSum', [g.op('Mul', [features, features]), g.ints([1])], { keepdims: attr.int(1) })
  const length = g.op('Sqrt', [g.op('Add', [squares, g.float(TINY)])])
  const unit = g.op('Div', [features, length])
  const cosines = g.op('MatMul', [unit, g.op('Transpose', [unit], { perm: attr.ints([1, 0]) })])
  const off = g.op('Sub', [cosines, similarities])
  return weightedSum(g, g.op('Mul', [off, off]), weights)
}
