/** What a network of several tasks says of one sample: an answer for each task, of the kind that the task is. */
import { GraftError } from '../../base/errors.js'
import { type Matrix, matrix, row } from '../../base/matrix.js'
import type { TaskKind } from '../../data/tasks/types.js'
import type { RecordedTask } from '../../models/record.js'
import { type Prediction, ranked } from '../trainedModel.js'
import { probabilitiesOf } from '../training/evaluateTargets.js'

export interface ClassAnswer {
  readonly kind: 'single-label' | 'ordinal'
  /** The most probable class. */
  readonly label: string
  /** Its probability. */
  readonly score: number
  /** Classes by their probability. */
  readonly scores: readonly Prediction[]
}

export interface LabelsAnswer {
  readonly kind: 'multi-label'
  /** Labels whose probability is above 1/2, the most probable first. */
  readonly labels: readonly string[]
  /** All labels by their probability. */
  readonly scores: readonly Prediction[]
}

export interface NumberAnswer {
  readonly kind: 'number'
  /** In the unit of the data. */
  readonly value: number
}

/** @typeParam K what the task is, where that is known */
export type TaskAnswer<K extends TaskKind = TaskKind> = K extends 'number'
  ? NumberAnswer
  : K extends 'multi-label'
    ? LabelsAnswer
    : ClassAnswer

/** What each task is, by its name. */
export type TaskKinds = Readonly<Record<string, TaskKind>>

/** An answer for each task, by its name. */
export type TaskAnswers<T extends TaskKinds = TaskKinds> = { readonly [N in keyof T]: TaskAnswer<T[N]> }

/**
 * @param logits (1, C_1 + ... + C_K)
 * @param top classes that are listed, at most
 */
export function answersOf(logits: Matrix, tasks: readonly RecordedTask[], top?: number): TaskAnswers {
  return Object.fromEntries(columnsByTask(logits, tasks).map(({ task, own }) => [task.name, answerOf(own, task, top)]))
}

function answerOf(logits: Matrix, { kind, labels }: RecordedTask, top: number | undefined): TaskAnswer {
  if (kind === 'number') return { kind, value: logits.data[0]! }
  const scores = ranked(row(probabilitiesOf(logits, kind), 0), labels, top)
  if (kind === 'multi-label') {
    const found = scores.filter(({ score }) => score > 0.5).map(({ label }) => label)
    return { kind, labels: found, scores }
  }
  const [best] = scores
  if (best === undefined) throw new GraftError('The task has no classes.', { remedy: 'Copy the model folder again.' })
  return { kind, label: best.label, score: best.score, scores }
}

/** Logits that lie side by side, each task's by itself. */
export function columnsByTask<T extends Pick<RecordedTask, 'labels'>>(
  logits: Matrix,
  tasks: readonly T[],
): { readonly task: T; readonly own: Matrix }[] {
  let start = 0
  return tasks.map((task) => {
    const width = task.labels.length
    const own = matrix(logits.rows, width)
    for (let i = 0; i < logits.rows; i++)
      own.data.set(logits.data.subarray(i * logits.columns + start, i * logits.columns + start + width), i * width)
    start += width
    return { task, own }
  })
}
