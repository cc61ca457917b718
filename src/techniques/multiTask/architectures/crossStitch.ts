/** A hidden layer a task, and learnt mixtures of them. */
import { UsageError } from '../../../base/errors.js'
import { attr } from '../../../graph/graph.js'
import { type TaskArchitecture, wholeNumber } from './architecture.js'
import { FEATURES, FeatureGraph } from './parts.js'

export interface CrossStitchOptions {
  /** Units of each task's layer. @default 64 */
  readonly hidden?: number
  /** How much of its own layer a task takes at the start; the rest comes from the others in equal parts. @default 0.9 */
  readonly own?: number
  /** As in hard sharing. @default true */
  readonly direct?: boolean
}

/**
 * h_k = relu(W_k x + b_k), and task k reads sum over j of a_kj h_j: the (K, K) stitch a is learnt, from `own` on its diagonal
 * (Misra et al. 2016; here with one stitched layer, on features).
 */
export function crossStitch(options: CrossStitchOptions = {}): TaskArchitecture {
  const { hidden = 64, own = 0.9, direct = true } = options
  wholeNumber('cross-stitch', 'hidden units', hidden)
  if (!(own >= 0 && own <= 1)) throw new UsageError(`cross-stitch: own is ${own}; expected 0 <= own <= 1.`)
  return {
    name: 'cross-stitch',
    title: 'Cross-stitch',
    paper: 'Misra et al. 2016, Cross-stitch Networks for Multi-task Learning, arXiv:1604.03539',
    options: { hidden, own, direct },
    build({ width, tasks, random, heads }) {
      const g = new FeatureGraph(tasks, random)
      const count = tasks.length
      // Through the stitch a task's layer reaches the others, so it counts as shared.
      const layers = tasks.map((_, k) => g.experts(`layer${k}`, FEATURES, width, 1, hidden, undefined))
      const stacked = g.op('Concat', layers, 'layers', undefined, { axis: attr.int(1) })
      const stitch = Float32Array.from({ length: count * count }, (_, at) => {
        const diagonal = Math.floor(at / count) === at % count
        return count === 1 ? 1 : diagonal ? own : (1 - own) / (count - 1)
      })
      const a = g.parameter('stitch', [count, count], stitch, undefined)
      const stitched = g.op('MatMul', [a, stacked], 'stitched')
      const logits = tasks.map((_, k) => {
        const at = g.nodes.ints(`${g.named('place', k)}`, [k])
        const taken = g.op('Gather', [stitched, at], 'taken', k, { axis: attr.int(1) })
        return g.end(g.reshape(taken, [hidden], 'own', k), hidden, width, k, direct, heads?.[k])
      })
      return g.network(width, logits)
    },
  }
}
