/** Which tasks are to be learnt together: how much each helps the others, and the groups that follow from it. */
import { UsageError } from '../../base/errors.js'
import type { TasksEpoch } from './outcome.js'

/**
 * How well tasks go together by how their gradients lie: the mean over the epochs of the cosines (K, K), NaN where two tasks were
 * never seen in one step. To first order a step along g_i changes L_j by -rate g_i . g_j, which is what task affinity measures
 * (Fifty et al. 2021, arXiv:2109.04617); the cosine leaves the lengths out.
 */
export function gradientAffinity(history: readonly Pick<TasksEpoch, 'cosines'>[]): number[][] {
  const seen = history.flatMap(({ cosines }) => (cosines === undefined ? [] : [cosines]))
  const tasks = seen[0]?.length ?? 0
  return Array.from({ length: tasks }, (_, i) =>
    Array.from({ length: tasks }, (_own, j) => {
      const values = seen.map((cosines) => cosines[i]![j]!).filter((value) => !Number.isNaN(value))
      return values.reduce((a, b) => a + b, 0) / values.length
    }),
  )
}

/**
 * Inter-task affinity by looking ahead (Fifty et al. 2021): Z_ij = 1 - L_j(after a step on task i alone) / L_j(before), the mean
 * over the steps that were looked at.
 *
 * @param steps of each: `before` (K), and `after` (K, K), row i after a step on task i
 */
export function lookAheadAffinity(
  steps: readonly { readonly before: readonly number[]; readonly after: readonly (readonly number[])[] }[],
): number[][] {
  const tasks = steps[0]?.before.length ?? 0
  return Array.from({ length: tasks }, (_, i) =>
    Array.from(
      { length: tasks },
      (_own, j) => steps.reduce((sum, { before, after }) => sum + 1 - after[i]![j]! / before[j]!, 0) / steps.length,
    ),
  )
}

export interface TaskGroups {
  /** Positions of tasks; each task is in one group. */
  readonly groups: readonly (readonly number[])[]
  /** For each task the mean affinity of the others of its group onto it; 0 for a task by itself. */
  readonly gains: readonly number[]
}

/** More tasks than this have too many partitions to look at. */
const MOST = 10

/**
 * The partition into at most `most` groups with the greatest sum over tasks of the mean affinity of the other tasks of its group
 * onto it (Fifty et al. 2021, whose groups may overlap; here a task is in one). All partitions are looked at. A task by itself
 * counts 0, so tasks that harm each other are kept apart where `most` allows it.
 *
 * @param affinity (K, K): entry i, j is what task i does for task j; NaN counts as 0; the diagonal is not read
 * @param most networks that can be had. @default as many as there are tasks
 * @throws UsageError for more than 10 tasks
 */
export function taskGroups(affinity: readonly (readonly number[])[], most = affinity.length): TaskGroups {
  const tasks = affinity.length
  if (tasks > MOST)
    throw new UsageError(`There are ${tasks} tasks; groups are looked for among at most ${MOST}.`, {
      remedy: 'Group them by hand, or by the table of affinities.',
    })
  if (!(most >= 1)) throw new UsageError(`Tasks cannot be divided into ${most} groups.`)
  let best: TaskGroups | undefined
  let highest = Number.NEGATIVE_INFINITY
  const visit = (task: number, groups: number[][]): void => {
    if (task === tasks) {
      const gains = gainsOf(affinity, groups)
      const total = gains.reduce((a, b) => a + b, 0)
      if (total > highest + 1e-12) {
        highest = total
        best = { groups: groups.map((group) => [...group]), gains }
      }
      return
    }
    for (const group of groups) {
      group.push(task)
      visit(task + 1, groups)
      group.pop()
    }
    if (groups.length >= most) return
    groups.push([task])
    visit(task + 1, groups)
    groups.pop()
  }
  visit(0, [])
  return best ?? { groups: [], gains: [] }
}

function gainsOf(affinity: readonly (readonly number[])[], groups: readonly (readonly number[])[]): number[] {
  const gains = affinity.map(() => 0)
  for (const group of groups)
    for (const j of group) {
      const others = group.filter((i) => i !== j)
      const values = others.map((i) => affinity[i]![j]!).map((value) => (Number.isNaN(value) ? 0 : value))
      if (values.length > 0) gains[j] = values.reduce((a, b) => a + b, 0) / values.length
    }
  return gains
}
