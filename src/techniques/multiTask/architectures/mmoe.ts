/** Shared experts, and a gate a task that mixes them. */
import { type TaskArchitecture, wholeNumber } from './architecture.js'
import { FEATURES, FeatureGraph } from './parts.js'

export interface MmoeOptions {
  /** @default 4 */
  readonly experts?: number
  /** Units of each. @default 64 */
  readonly hidden?: number
  /** As in hard sharing. @default true */
  readonly direct?: boolean
}

/**
 * Task k reads sum over experts of softmax(G_k x + c_k)_e relu(W_e x + b_e): experts are shared, gates are not (Ma et al. 2018).
 */
export function mmoe(options: MmoeOptions = {}): TaskArchitecture {
  const { experts = 4, hidden = 64, direct = true } = options
  wholeNumber('MMoE', 'experts', experts)
  wholeNumber('MMoE', 'hidden units', hidden)
  return {
    name: 'mmoe',
    title: 'Multi-gate mixture of experts',
    paper: 'Ma et al. 2018, Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts, KDD',
    options: { experts, hidden, direct },
    build({ width, tasks, random, heads }) {
      const g = new FeatureGraph(tasks, random)
      const all = g.experts('experts', FEATURES, width, experts, hidden, undefined)
      const logits = tasks.map((_, k) => {
        const mixed = g.gated('gate', all, experts, hidden, FEATURES, width, k)
        return g.end(mixed, hidden, width, k, direct, heads?.[k])
      })
      return g.network(width, logits)
    },
  }
}
