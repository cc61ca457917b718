/** Weights that bring the tasks' gradients to like sizes. */
import { UsageError } from '../../../base/errors.js'
import { adamStart, adamStep } from './scalarAdam.js'
import { checkRate, type TaskWeighting } from './weighting.js'

export interface GradNormOptions {
  /** How strongly tasks that learn slowly are held up. @default 1.5 */
  readonly alpha?: number
  /** Of Adam on the weights. @default 0.025 */
  readonly rate?: number
}

/** A weight that would fall below it is left there. */
const LEAST = 1e-4

/**
 * Weights w_k from 1 that follow the gradient of sum over tasks of |w_k n_k - G r_k^alpha|, the right side held fixed: n_k the
 * norm of task k's gradient, G the mean of w_k n_k, r_k = (L_k / L_k(0)) / mean over tasks of the same; then scaled to sum to K
 * (Chen et al. 2018). The paper takes the norm at the last shared layer's weights; here it is that at the shared representation,
 * or of all shared parameters.
 */
export function gradNorm(options: GradNormOptions = {}): TaskWeighting {
  const { alpha = 1.5, rate = 0.025 } = options
  if (!(alpha >= 0)) throw new UsageError(`GradNorm: alpha is ${alpha}; expected a number that is 0 or more.`)
  checkRate('GradNorm', rate)
  return {
    name: 'gradnorm',
    title: 'GradNorm',
    paper:
      'Chen et al. 2018, GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks, arXiv:1711.02257',
    options: { alpha, rate },
    needs: 'gram',
    start: (tasks) => ({
      values: new Array<number>(tasks).fill(1),
      firstLosses: new Array<number>(tasks).fill(0),
      ...adamStart(tasks),
    }),
    fed: ({ values }) => values!,
    after(memory, { losses, present, gram }) {
      const tasks = losses.length
      const firstLosses = memory.firstLosses!.map((first, k) => (first === 0 && present[k] ? losses[k]! : first))
      const there = present.flatMap((is, k) => (is && firstLosses[k]! > 0 ? [k] : []))
      if (gram === undefined || there.length < 2) return { ...memory, firstLosses }
      const norms = losses.map((_, k) => Math.sqrt(Math.max(0, gram[k * tasks + k]!)))
      const mean = (of: (k: number) => number) => there.reduce((sum, k) => sum + of(k), 0) / there.length
      const size = mean((k) => memory.values![k]! * norms[k]!)
      const ratio = mean((k) => losses[k]! / firstLosses[k]!)
      const gradient = losses.map((loss, k) => {
        if (!there.includes(k) || ratio === 0) return undefined
        const target = size * (loss / firstLosses[k]! / ratio) ** alpha
        return Math.sign(memory.values![k]! * norms[k]! - target) * norms[k]!
      })
      const next = adamStep(memory.values!, gradient, memory, rate)
      const kept = next.values.map((w) => Math.max(LEAST, w))
      const total = kept.reduce((a, b) => a + b, 0)
      return { ...next, firstLosses, values: kept.map((w) => (tasks * w) / total) }
    },
  }
}
