/** The sliced Wasserstein distance: sorted projections, compared place by place. */

import { attr } from '../../graph/graph.js'
import { int64Vector } from '../../graph/tensor.js'
import type { Emitter } from '../../ops/operator.js'
import { meanOf } from '../weighted.js'

/**
 * L = mean over projections and places of (sort(a theta) - sort(b theta))^2 (Bonneel et al. 2015, "Sliced and Radon Wasserstein
 * Barycenters of Measures"; Lee et al. 2019, "Sliced Wasserstein Discrepancy for Unsupervised Domain Adaptation",
 * arXiv:1903.04064). Of two samples of different sizes the smaller one's sorted values are repeated evenly.
 *
 * @param a (n, D)
 * @param b (m, D)
 * @param directions theta, (D, P), columns of length 1
 * @returns a scalar
 */
export function slicedWasserstein(g: Emitter, a: string, b: string, directions: string): string {
  const rows = Math.max(g.shape(a)[0] as number, g.shape(b)[0] as number)
  const off = g.op('Sub', [sorted(g, a, directions, rows), sorted(g, b, directions, rows)])
  return meanOf(g, g.op('Mul', [off, off]))
}

/** Each column of x theta in falling order, (rows, P). */
function sorted(g: Emitter, x: string, directions: string, rows: number): string {
  const n = g.shape(x)[0] as number
  const projected = g.op('MatMul', [x, directions])
  const [values] = g.multi('TopK', [projected, g.ints([n])], { axis: attr.int(0), sorted: attr.int(1) }, 2) as [string]
  if (n === rows) return values
  const places = Array.from({ length: rows }, (_, i) => Math.floor(((i + 0.5) * n) / rows))
  return g.op('Gather', [values, g.constant(int64Vector(places))], { axis: attr.int(0) })
}
