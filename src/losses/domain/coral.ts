/** Distance between the covariances of two sets of features. */

import { attr } from '../../graph/graph.js'
import { transpose } from '../../ops/emit.js'
import type { Emitter } from '../../ops/operator.js'
import { sumOfSquares } from '../weighted.js'

/**
 * L = norm_F(C_a - C_b)^2 / 4 d^2, C the covariance of the rows, divided by n - 1 (Sun and Saenko 2016, "Deep CORAL: Correlation
 * Alignment for Deep Domain Adaptation", arXiv:1607.01719).
 *
 * @param a (n, d), n at least 2
 * @param b (m, d), m at least 2
 * @returns a scalar
 */
export function coral(g: Emitter, a: string, b: string): string {
  const d = g.shape(a)[1] as number
  const off = g.op('Sub', [covariance(g, a), covariance(g, b)])
  return g.op('Mul', [sumOfSquares(g, off), g.float(1 / (4 * d * d))])
}

/** sum over n of (x_n - mean)(x_n - mean)^T / (N - 1), (d, d). */
export function covariance(g: Emitter, x: string): string {
  const [n] = g.shape(x) as [number, number]
  const centred = g.op('Sub', [x, g.op('ReduceMean', [x, g.ints([0])], { keepdims: attr.int(1) })])
  const sums = g.op('MatMul', [transpose(g, centred, [1, 0]), centred])
  return g.op('Mul', [sums, g.float(1 / (n - 1))])
}
