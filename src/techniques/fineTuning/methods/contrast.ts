/** Contrast within a batch: samples of one class are drawn together and away from the others. */
import { attr } from '../../../graph/graph.js'
import { float32 } from '../../../graph/tensor.js'
import { weightedSum } from '../../../losses/weighted.js'
import type { GraphBuilder } from '../../../ops/builder.js'
import { transpose } from '../../../ops/emit.js'

/** Far below any similarity. */
const NEVER = 1e9

/** Which samples are alike: (N, N), 1 where two known samples have one class, else 0; and which are known, (N). */
export function alike(g: GraphBuilder, targets: string, weights: string): { same: string; known: string } {
  const [n] = g.shape(weights) as [number]
  const known = g.op('Cast', [g.op('Greater', [weights, g.float(0)])], { to: attr.int(1) })
  const largest = g.op('ReduceMax', [targets, g.ints([1])], { keepdims: attr.int(1) })
  const hard = g.op('Cast', [g.op('Equal', [targets, largest])], { to: attr.int(1) })
  const counted = g.op('Mul', [hard, g.op('Reshape', [known, g.ints([n, 1])])])
  return { same: g.op('MatMul', [counted, transpose(g, counted, [1, 0])]), known }
}

/**
 * sum over n of w_n (- mean over the positives m of n of log softmax over all m of s_nm); a sample without positives adds nothing.
 *
 * @param similarity s, (N, N)
 * @param same (N, N), 1 where m is like n
 * @param known (N): of the others, columns do not count
 * @param itself whether a sample is a positive of its own
 */
export function contrastive(
  g: GraphBuilder,
  similarity: string,
  same: string,
  known: string,
  weights: string,
  itself: boolean,
): string {
  const [n] = g.shape(similarity) as [number, number]
  const hidden = g.op('Mul', [g.op('Sub', [known, g.float(1)]), g.float(NEVER)])
  let seen = g.op('Add', [similarity, g.op('Reshape', [hidden, g.ints([1, n])])])
  let positives = same
  if (!itself) {
    const identity = float32(
      [n, n],
      Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0)),
    )
    const diagonal = g.constant(identity)
    seen = g.op('Sub', [seen, g.op('Mul', [diagonal, g.float(NEVER)])])
    positives = g.op('Mul', [same, g.op('Sub', [g.float(1), diagonal])])
  }
  const count = g.op('ReduceSum', [positives, g.ints([1])], { keepdims: attr.int(1) })
  const shares = g.op('Div', [positives, g.op('Max', [count, g.float(1)])])
  const each = g.op('Mul', [shares, g.op('LogSoftmax', [seen], { axis: attr.int(-1) })])
  const perSample = g.op('ReduceSum', [each, g.ints([1])], { keepdims: attr.int(0) })
  return g.op('Neg', [weightedSum(g, perSample, weights)])
}
