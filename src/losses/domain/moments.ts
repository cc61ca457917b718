/** M3SDA: the moments of several sources and the target are drawn together, each pair of them. */
import { attr } from '../../graph/graph.js'
import type { Emitter } from '../../ops/operator.js'
import { sumOfSquares } from '../weighted.js'

/** Added to a squared distance, so that there is a gradient where it is 0. */
const TINY = 1e-12

/**
 * MD = sum over k = 1 ... K of (1 / S sum over i of norm(m_k(X_i) - m_k(X_T)) + 1 / pairs sum over i < j of norm(m_k(X_i) - m_k(X_j))),
 * m_k(X) being the mean over the rows of X^k, entry by entry (Peng et al. 2019, "Moment Matching for Multi-Source Domain Adaptation",
 * arXiv:1812.01754, equation 1).
 *
 * @param sources X_1 ... X_S, (n, D) each
 * @param target X_T, (m, D); undefined leaves the sources among themselves
 * @param orders K. @default 2
 * @returns a scalar
 */
export function momentDistance(g: Emitter, sources: readonly string[], target: string | undefined, orders = 2): string {
  const terms: string[] = []
  for (let k = 1; k <= orders; k++) {
    const moment = (features: string) =>
      g.op('ReduceMean', [power(g, features, k), g.ints([0])], { keepdims: attr.int(0) })
    const own = sources.map(moment)
    const pairs = own.flatMap((a, i) => own.slice(i + 1).map((b) => [a, b] as const))
    if (target !== undefined) {
      const other = moment(target)
      for (const a of own) terms.push(scaled(g, distance(g, a, other), 1 / own.length))
    }
    for (const [a, b] of pairs) terms.push(scaled(g, distance(g, a, b), 1 / pairs.length))
  }
  return terms.reduce((sum, term) => g.op('Add', [sum, term]))
}

function power(g: Emitter, value: string, k: number): string {
  let product = value
  for (let i = 1; i < k; i++) product = g.op('Mul', [product, value])
  return product
}

function distance(g: Emitter, a: string, b: string): string {
  return g.op('Sqrt', [g.op('Add', [sumOfSquares(g, g.op('Sub', [a, b])), g.float(TINY)])])
}

const scaled = (g: Emitter, value: string, by: number): string => (by === 1 ? value : g.op('Mul', [value, g.float(by)]))
