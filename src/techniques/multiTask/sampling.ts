/** How often each task's samples come: in proportion to how many there are, equally often, or in between. */
import { UsageError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import { countOf, isKnown, type TaskTargets } from '../../data/targets.js'
import type { SampleSource } from '../fineTuning/network.js'

/**
 * proportional: every sample once an epoch, whatever it knows. equal: each task as often. temperature T: tasks by n_k^(1 / T), n_k
 * the samples that know task k; 1 is in proportion to n_k, the larger T the more even.
 */
export type TaskSampling = 'proportional' | 'equal' | { readonly temperature: number }

/** @returns how often each task is drawn, summing to 1 */
export function taskShares(targets: TaskTargets, sampling: Exclude<TaskSampling, 'proportional'>): number[] {
  const temperature = sampling === 'equal' ? Number.POSITIVE_INFINITY : sampling.temperature
  if (!(temperature > 0))
    throw new UsageError(`Task sampling: the temperature is ${temperature}; expected a number above 0.`, {
      remedy: '1 draws tasks in proportion to their samples; larger numbers draw them more evenly.',
    })
  const sizes = targets.tasks.map((_, k) => knownBy(targets, k).length)
  const powers = sizes.map((n) => (n === 0 ? 0 : n ** (1 / temperature)))
  const total = powers.reduce((a, b) => a + b, 0)
  return powers.map((power) => power / total)
}

/**
 * The source with tasks drawn by their shares (Aharoni, Johnson and Firat 2019, arXiv:1903.00089, for languages): an epoch has as
 * many draws as there are samples; each draw takes a task and the next of the samples that know it, all of them before any comes
 * again. A sample that is drawn for one task teaches all that it knows.
 *
 * Samples of a data set of their own for each task are the case in which each sample knows one task.
 */
export function withTaskSampling(source: SampleSource<TaskTargets>, sampling: TaskSampling): SampleSource<TaskTargets> {
  if (sampling === 'proportional') return source
  const { targets } = source
  const shares = taskShares(targets, sampling)
  const known = targets.tasks.map((_, k) => knownBy(targets, k))
  return { ...source, order: (random) => taskOrder(known, shares, source.length, random) }
}

/** Draws as `withTaskSampling` says: each task's number of draws is its share of all, to within one. */
function taskOrder(known: readonly number[][], shares: readonly number[], draws: number, random: Random): Int32Array {
  let given = 0
  let reached = 0
  const chosen: number[] = []
  for (const [k, share] of shares.entries()) {
    // Rounded so that the sum is exact.
    reached += share * draws
    const own = Math.round(reached) - given
    given += own
    for (let left = own, round = 0; left > 0; round++, left -= known[k]!.length)
      chosen.push(...random.fork('task', k, round).shuffle(known[k]!).slice(0, left))
  }
  return Int32Array.from(random.fork('mix').shuffle(chosen))
}

function knownBy({ tasks }: TaskTargets, task: number): number[] {
  const { targets } = tasks[task]!
  return Array.from({ length: countOf(targets) }, (_, i) => i).filter((i) => isKnown(targets, i))
}
