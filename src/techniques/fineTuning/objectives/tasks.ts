/** Several tasks on one network: their logits lie side by side, each part has the objective of its own kind of target. */
import { InternalError, UsageError } from '../../../base/errors.js'
import { type Matrix, matrix } from '../../../base/matrix.js'
import {
  type AnyTargets,
  countOf,
  isKnown,
  type NamedTask,
  outputsOf,
  type TaskTargets,
} from '../../../data/targets.js'
import { attr } from '../../../graph/graph.js'
import { reshape, slice } from '../../../ops/emit.js'
import type { Emitter } from '../../../ops/operator.js'
import type { Objective, Score, TaskColumns } from '../objective.js'

/**
 * L = sum over tasks k of L_k, L_k the task's own loss on its columns of the logits (N, C1 + ... + CK), averaged over the samples
 * of the step whose label of this task is known: weights are (N, K), 0 where it is not, so that a missing label gives exactly no
 * gradient, whatever the other tasks do. A task that no sample of a step knows has the loss 0.
 *
 * The score is the mean of the tasks' own values (accuracy, micro F1, R2), the loss the sum of theirs, both over the tasks that
 * have known labels among the samples; figures are `<task>.loss`, `<task>.value` and `<task>.<figure>`.
 *
 * @param objectiveOf of one task by itself
 * @throws UsageError where tasks have one name, speak of different numbers of samples, or one has no known label
 */
export function severalTasks(train: TaskTargets, objectiveOf: (task: NamedTask) => Objective): Objective {
  checkTasks(train)
  let width = 0
  const tasks = train.tasks.map((task): TaskColumns => {
    const start = width
    width += outputsOf(task.targets)
    return { name: task.name, start, objective: objectiveOf(task) }
  })
  const losses = (g: Emitter, logits: string, targets: string, weights: string): string => {
    const last = g.shape(logits).length - 1
    const each = tasks.map(({ start, objective }, k) => {
      const columns = (value: string) => slice(g, value, last, start, start + objective.outputs)
      const own = reshape(g, slice(g, weights, last, k, k + 1), g.shape(weights).slice(0, -1))
      return reshape(g, objective.loss(g, columns(logits), columns(targets), own), [1])
    })
    return each.length === 1 ? each[0]! : g.op('Concat', each, { axis: attr.int(0) })
  }
  return {
    kind: 'tasks',
    outputs: width,
    valueName: 'mean of tasks',
    tasks,
    losses,
    loss: (g, logits, targets, weights) =>
      g.op('ReduceSum', [losses(g, logits, targets, weights), g.ints([0])], { keepdims: attr.int(0) }),
    encode(targets, batch) {
      const own = partsOf(targets, tasks)
      const n = batch.samples.length
      const encoded = { targets: new Float32Array(n * width), weights: new Float32Array(n * tasks.length) }
      tasks.forEach(({ start, objective }, k) => {
        const part = objective.encode(own[k]!.targets, batch)
        for (let i = 0; i < n; i++) {
          const from = part.targets.subarray(i * objective.outputs, (i + 1) * objective.outputs)
          encoded.targets.set(from, i * width + start)
          encoded.weights[i * tasks.length + k] = part.weights[i]!
        }
      })
      return encoded
    },
    score(logits, targets) {
      const own = partsOf(targets, tasks)
      const figures: Record<string, number> = {}
      const scored: Score[] = []
      tasks.forEach((columns, k) => {
        const part = own[k]!.targets
        if (!anyKnown(part, logits.rows)) return
        const score = columns.objective.score(columnsOf(logits, columns), part)
        scored.push(score)
        figures[`${columns.name}.loss`] = score.loss
        figures[`${columns.name}.value`] = score.value
        for (const [figure, value] of Object.entries(score.figures)) figures[`${columns.name}.${figure}`] = value
      })
      return {
        loss: scored.reduce((sum, { loss }) => sum + loss, 0),
        value: scored.reduce((sum, { value }) => sum + value, 0) / scored.length,
        figures,
      }
    },
  }
}

/** A task's columns of logits that lie side by side, (N, Ck). */
export function columnsOf(logits: Matrix, { start, objective }: TaskColumns): Matrix {
  const { outputs } = objective
  const own = matrix(logits.rows, outputs)
  for (let i = 0; i < logits.rows; i++) {
    const at = i * logits.columns + start
    own.data.set(logits.data.subarray(at, at + outputs), i * outputs)
  }
  return own
}

function checkTasks({ tasks }: TaskTargets): void {
  if (tasks.length === 0) throw new UsageError('There is no task to train.', { remedy: 'Name at least one.' })
  const first = tasks[0]!
  const count = countOf(first.targets)
  for (const [k, { name, targets }] of tasks.entries()) {
    if (tasks.findIndex((other) => other.name === name) !== k)
      throw new UsageError(`Two tasks are called "${name}".`, { remedy: 'Give each task a name of its own.' })
    if (countOf(targets) !== count)
      throw new UsageError(
        `The task "${name}" speaks of ${countOf(targets)} samples, the task "${first.name}" of ${count}; expected the same ones.`,
        { remedy: 'Give every sample a label of every task, unknown ones included.' },
      )
    if (!anyKnown(targets, count))
      throw new UsageError(`No training sample has a known label of the task "${name}".`, {
        remedy: 'Leave the task out, or label some samples.',
      })
  }
}

function anyKnown(targets: AnyTargets, count: number): boolean {
  for (let i = 0; i < count; i++) if (isKnown(targets, i)) return true
  return false
}

/** The tasks of these targets, which are those that the objective was made for. */
function partsOf(targets: AnyTargets, tasks: readonly TaskColumns[]): readonly NamedTask[] {
  if (targets.kind !== 'tasks' || targets.tasks.some(({ name }, k) => name !== tasks[k]?.name))
    throw new InternalError('targets of other tasks than the objective was made for')
  return targets.tasks
}
