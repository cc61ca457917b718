/** What a saved model says of samples, as one class each: of a model of several tasks the first that has classes speaks. */
import { type Matrix, matrix } from '../../base/matrix.js'
import type { Model } from '../../graph/graph.js'
import type { LoadedModelFolder } from '../../models/modelFolder.js'
import { joinedTasks } from '../../models/taskOutputs.js'
import { columnsByTask } from '../multiTask/answers.js'

export interface Answering {
  /** With all that it says in one output, `logits` (N, C). */
  readonly model: Model
  /** C */
  readonly outputs: number
  /** The classes of the task that speaks; empty where no task has any. */
  readonly labels: readonly string[]
  /** The logits of these classes, (N, classes). */
  own(logits: Matrix): Matrix
}

export function answeringOf({ model, labels, record }: LoadedModelFolder): Answering {
  const { tasks } = record
  if (tasks === undefined) return { model, outputs: labels.length, labels, own: (logits) => logits }
  const outputs = tasks.reduce((sum, task) => sum + task.labels.length, 0)
  const joined = joinedTasks(
    model,
    tasks.map(({ name }) => name),
  )
  const classes = tasks.filter(({ kind }) => kind === 'single-label' || kind === 'ordinal')
  const speaks = classes.find(({ auxiliary }) => auxiliary !== true) ?? classes[0]
  return {
    model: joined,
    outputs,
    labels: speaks?.labels ?? [],
    own: (logits) => columnsByTask(logits, tasks).find(({ task }) => task === speaks)?.own ?? matrix(logits.rows, 1),
  }
}
