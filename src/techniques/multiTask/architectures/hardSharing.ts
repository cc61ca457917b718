/** Hard sharing on features: one hidden layer for all tasks, a linear head each, and a direct way for what a task needs alone. */
import { UsageError } from '../../../base/errors.js'
import type { TaskArchitecture } from './architecture.js'
import { FEATURES, FeatureGraph } from './parts.js'

export interface HardSharingOptions {
  /** Units that all tasks share; 0 leaves a linear head a task on the features themselves. @default 128 */
  readonly hidden?: number
  /**
   * Each task also has a linear way from the features to its logits. With it the shared layer begins with no influence on any
   * logit, so training starts from what the direct heads say. @default true
   */
  readonly direct?: boolean
}

/**
 * logits_k = V_k relu(W x + b) + U_k x + c_k: W shared, the rest of task k alone (Caruana 1997, "Multitask Learning", Machine
 * Learning 28; the direct way as in wide and deep learning, Cheng et al. 2016, arXiv:1606.07792).
 */
export function hardSharing(options: HardSharingOptions = {}): TaskArchitecture {
  const { hidden = 128, direct = true } = options
  if (!(Number.isInteger(hidden) && hidden >= 0))
    throw new UsageError(`hard sharing: ${hidden} hidden units; expected a whole number, 0 or more.`)
  return {
    name: 'hard-sharing',
    title: 'Hard sharing',
    paper: 'Caruana 1997, Multitask Learning, Machine Learning 28',
    options: { hidden, direct },
    build({ width, tasks, random, heads }) {
      const g = new FeatureGraph(tasks, random)
      const shared =
        hidden > 0 ? g.op('Relu', [g.linear('hidden', FEATURES, width, hidden, undefined)], 'active') : undefined
      const logits = tasks.map((_, k) => {
        if (shared === undefined) return g.direct(width, k, heads?.[k])
        return g.end(shared, hidden, width, k, direct, heads?.[k])
      })
      const representation = shared === undefined ? undefined : { value: shared, width: hidden }
      return g.network(width, logits, representation)
    },
  }
}
