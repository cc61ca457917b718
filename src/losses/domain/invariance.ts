/** What generalisation over several domains asks of their risks: that none is worse than the others, or that one classifier serves all. */
import { attr } from '../../graph/graph.js'
import { float32 } from '../../graph/tensor.js'
import type { Emitter } from '../../ops/operator.js'
import { meanOf, sumOf, weightedSum } from '../weighted.js'

/**
 * IRMv1: (d R(w z) / d w at w = 1)^2, with R(z) = sum over n of w_n CE(z_n, t_n): what a factor on the logits of this domain alone
 * would gain (Arjovsky et al. 2019, "Invariant Risk Minimization", arXiv:1907.02893). The derivative has a closed form,
 * sum over n of w_n sum over c of (softmax(z_n)_c - t_nc) z_nc, so that no second derivative is taken.
 *
 * @param logits z, (N, C), of one domain
 * @param targets t, (N, C), rows sum to 1
 * @param weights w, (N), sum to 1
 * @returns a scalar
 */
export function invariancePenalty(g: Emitter, logits: string, targets: string, weights: string): string {
  const off = g.op('Sub', [g.op('Softmax', [logits], { axis: attr.int(-1) }), targets])
  const each = g.op('ReduceSum', [g.op('Mul', [off, logits]), g.ints([1])], { keepdims: attr.int(0) })
  const slope = weightedSum(g, each, weights)
  return g.op('Mul', [slope, slope])
}

/** Scalars as one vector, (E). */
export function stacked(g: Emitter, scalars: readonly string[]): string {
  const rows = scalars.map((scalar) => g.op('Reshape', [scalar, g.ints([1])]))
  return rows.length === 1 ? (rows[0] as string) : g.op('Concat', rows, { axis: attr.int(0) })
}

/**
 * V-REx: the variance of the risks over the domains, mean over e of (R_e - mean R)^2 (Krueger et al. 2021, "Out-of-Distribution
 * Generalization via Risk Extrapolation", arXiv:2003.00688).
 *
 * @param risks R, (E)
 * @returns a scalar
 */
export function riskVariance(g: Emitter, risks: string): string {
  const off = g.op('Sub', [risks, meanOf(g, risks)])
  return meanOf(g, g.op('Mul', [off, off]))
}

/**
 * Group DRO: sum over e of q_e R_e, and what q is in the next step: q_e exp(eta R_e), divided by their sum (Sagawa et al. 2020,
 * "Distributionally Robust Neural Networks for Group Shifts", arXiv:1911.08731, algorithm 1: q moves first). q is held.
 *
 * @param risks R, (E)
 * @param q (E), sum to 1
 * @returns the risk, a scalar, and the new q, (E)
 */
export function worstGroupRisk(g: Emitter, risks: string, q: string, eta: number): { risk: string; q: string } {
  const held = g.detached(risks)
  // Nothing but differences of the risks counts: the largest exponent is 0.
  const off = g.op('Sub', [held, g.op('ReduceMax', [held, g.ints([0])], { keepdims: attr.int(1) })])
  const grown = g.op('Mul', [q, g.op('Exp', [g.op('Mul', [off, g.float(eta)])])])
  const next = g.op('Div', [grown, sumOf(g, grown)])
  return { risk: weightedSum(g, risks, g.detached(next)), q: next }
}

/** q that weighs every domain alike, (E). */
export const evenGroups = (count: number) => float32([count], new Float32Array(count).fill(1 / count))
