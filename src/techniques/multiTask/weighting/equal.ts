/** The sum of the losses, and fixed weights. */
import { UsageError } from '../../../base/errors.js'
import type { TaskWeighting } from './weighting.js'

/** L = sum over tasks of L_k: the baseline that is hard to beat (Xin et al. 2022, arXiv:2209.11379; Kurin et al. 2022, arXiv:2201.04122). */
export function equal(): TaskWeighting {
  return {
    name: 'equal',
    title: 'Equal weights',
    paper: '',
    options: {},
    start: (tasks) => ({ weights: new Array<number>(tasks).fill(1) }),
    fed: ({ weights }) => weights!,
  }
}

/**
 * L = sum over tasks of w_k L_k.
 *
 * @param weights one a task, 0 or more, in the order of the tasks
 * @throws UsageError where a weight is negative or not finite, or where their number is not that of the tasks
 */
export function fixed(weights: readonly number[]): TaskWeighting {
  for (const weight of weights)
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY))
      throw new UsageError(`fixed weights: ${weight} is among them; expected numbers that are 0 or more.`)
  return {
    name: 'fixed',
    title: 'Fixed weights',
    paper: '',
    options: [...weights],
    start(tasks) {
      if (weights.length !== tasks)
        throw new UsageError(`There are ${weights.length} fixed weights for ${tasks} tasks.`, {
          remedy: 'Give one weight a task, in the order of the tasks.',
        })
      return { weights }
    },
    fed: ({ weights: own }) => own!,
  }
}
