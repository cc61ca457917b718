/** Random weights. */
import type { TaskWeighting } from './weighting.js'

/**
 * Random loss weighting: lambda = softmax of K standard normal numbers, drawn anew at each step (Lin et al. 2022). A baseline:
 * what a rule gains over it is more than noise in the weights.
 */
export function rlw(): TaskWeighting {
  return {
    name: 'rlw',
    title: 'Random loss weighting',
    paper: 'Lin et al. 2022, Reasonable Effectiveness of Random Weighting, arXiv:2111.10603',
    options: {},
    start: (tasks) => ({ weights: new Array<number>(tasks).fill(1 / tasks) }),
    before({ weights }, { random }) {
      const draw = random.fork('weights')
      const powers = weights!.map(() => Math.exp(draw.normal()))
      const total = powers.reduce((a, b) => a + b, 0)
      return { weights: powers.map((power) => power / total) }
    },
    fed: ({ weights }) => weights!,
  }
}
