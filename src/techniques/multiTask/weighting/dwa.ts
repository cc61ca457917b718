/** Weights from how fast each loss falls. */
import { UsageError } from '../../../base/errors.js'
import type { TaskWeighting } from './weighting.js'

export interface DwaOptions {
  /** The larger, the more even. @default 2 */
  readonly temperature?: number
}

/**
 * Dynamic weight average: lambda_k = K exp(r_k / T) / sum over j of exp(r_j / T), r_k = L_k(t - 1) / L_k(t - 2) the ratio of the
 * mean losses of the last two epochs; equal weights in the first two (Liu, Johns and Davison 2019).
 */
export function dwa(options: DwaOptions = {}): TaskWeighting {
  const { temperature = 2 } = options
  if (!(temperature > 0)) throw new UsageError(`DWA: the temperature is ${temperature}; expected a number above 0.`)
  return {
    name: 'dwa',
    title: 'Dynamic weight average',
    paper: 'Liu, Johns and Davison 2019, End-to-End Multi-Task Learning with Attention, arXiv:1803.10704',
    options: { temperature },
    start(tasks) {
      const zeros = () => new Array<number>(tasks).fill(0)
      return { epoch: [0], sums: zeros(), counts: zeros(), last: zeros(), before: zeros() }
    },
    before(memory, { epoch }) {
      if (epoch === memory.epoch![0]) return memory
      const zeros = () => memory.sums!.map(() => 0)
      const mean = memory.sums!.map((sum, k) => (memory.counts![k]! > 0 ? sum / memory.counts![k]! : memory.last![k]!))
      return { epoch: [epoch], sums: zeros(), counts: zeros(), last: mean, before: memory.last! }
    },
    fed({ last, before }) {
      const powers = last!.map((loss, k) => Math.exp((before![k]! > 0 ? loss / before![k]! : 1) / temperature))
      const total = powers.reduce((a, b) => a + b, 0)
      return powers.map((power) => (last!.length * power) / total)
    },
    after(memory, { losses, present }) {
      return {
        ...memory,
        sums: memory.sums!.map((sum, k) => sum + (present[k] ? losses[k]! : 0)),
        counts: memory.counts!.map((count, k) => count + (present[k] ? 1 : 0)),
      }
    },
  }
}
