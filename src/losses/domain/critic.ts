/** A critic whose mean difference between two samples is their Wasserstein distance, as long as its slope is near 1. */

import { differentiate } from '../../autodiff/differentiate.js'
import { attr } from '../../graph/graph.js'
import type { GraphBuilder } from '../../ops/builder.js'
import type { Emitter } from '../../ops/operator.js'
import { meanOf } from '../weighted.js'

/** mean of the critic's scores of the first sample - mean of those of the second. @param first (n, 1) @param second (m, 1) */
export function criticDifference(g: Emitter, first: string, second: string): string {
  return g.op('Sub', [meanOf(g, first), meanOf(g, second)])
}

/**
 * mean over rows of (norm(d critic / dx_n) - 1)^2 (Gulrajani et al. 2017, "Improved Training of Wasserstein GANs",
 * arXiv:1704.00028). The gradient is written into the graph and can be differentiated again.
 *
 * @param points x, (N, D), at which the slope is taken; nothing passes back to what they were computed from
 * @param critic appends the scores, (N, 1), of points
 */
export function gradientPenalty(g: GraphBuilder, points: string, critic: (points: string) => string): string {
  const at = g.detached(points)
  const scores = critic(at)
  const [n] = g.shape(scores) as [number]
  const ones = g.op('Expand', [g.float(1), g.ints([n, 1])])
  const slope = differentiate(g, new Map([[scores, ones]]), [at]).get(at) as string
  const squares = g.op('ReduceSumSquare', [slope, g.ints([1])], { keepdims: attr.int(0) })
  const length = g.op('Sqrt', [g.op('Add', [squares, g.float(1e-12)])])
  const off = g.op('Sub', [length, g.float(1)])
  return meanOf(g, g.op('Mul', [off, off]))
}

/** a_n + t_n (b_n - a_n) for the rows that both have, (min(n, m), D). @param shares t, (min(n, m), 1) */
export function between(g: Emitter, a: string, b: string, shares: string): string {
  return g.op('Add', [a, g.op('Mul', [g.op('Sub', [b, a]), shares])])
}
