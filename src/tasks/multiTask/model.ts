/** A trained model of several tasks: one pass through the network answers all of them. */
import { type GraftError, UsageError } from '../../base/errors.js'
import type { TaskItem } from '../../data/tasks/types.js'
import type { SampleTable, TextSample } from '../../data/text/types.js'
import type { ImageSample } from '../../data/types.js'
import { type ModelFolderContents, saveModelFolder } from '../../models/modelFolder.js'
import type { RecordedTask } from '../../models/record.js'
import type { ImageModel } from '../images/model.js'
import type { TextModel } from '../texts/model.js'
import type { ModelOptions, Photo, PredictOptions, Text } from '../trainedModel.js'
import { answersOf, type TaskAnswers, type TaskKinds } from './answers.js'
import { evaluateTasks, type TaskEvaluation } from './evaluateTasks.js'
import { type EvaluateTasksOptions, openRows, unknownTask } from './rows.js'
import { singleModel } from './single.js'

/** What became of one sample of many. */
export type TaskResult<T extends TaskKinds = TaskKinds> =
  | { readonly id: string; readonly answers: TaskAnswers<T> }
  | { readonly id: string; readonly error: GraftError }

/** @typeParam T what each task is, by its name: what `predict` gives follows from it */
export interface MultiTaskModel<T extends TaskKinds = TaskKinds> {
  readonly kind: 'images' | 'texts'
  /** In the order of the network's outputs. */
  readonly tasks: readonly RecordedTask[]
  readonly record: ModelFolderContents['record']
  /** Of a photo (its path or bytes) or a text: an answer for each task. */
  predict(sample: Photo | Text, options?: PredictOptions): Promise<TaskAnswers<T>>
  predict(samples: readonly (Photo | Text)[], options?: PredictOptions): Promise<TaskAnswers<T>[]>
  /** Sample after sample, in order, with little memory; one that cannot be read gives its error. */
  predictAll(
    samples: readonly ImageSample[] | SampleTable<TextSample>,
    options?: PredictOptions,
  ): AsyncGenerator<TaskResult<T>>
  /** @throws UsageError where the data has labels of no task, or classes that the model does not know */
  evaluate(data: string | readonly TaskItem[] | undefined, options?: EvaluateTasksOptions): Promise<TaskEvaluation>
  /** One of its tasks as a model of its own, which transformers.js loads once it is saved. @throws UsageError for another name */
  single(task: keyof T & string): ImageModel | TextModel
  /** Writes the folder. @throws GraftError where it cannot; what was there is intact */
  save(folder: string): Promise<void>
  /** Ends the worker that computes. */
  close(): Promise<void>
}

/** Whether a folder's contents are of a model of several tasks. */
export function hasTasks({ record }: Pick<ModelFolderContents, 'record'>): boolean {
  return record.tasks !== undefined
}

/** @param contents with `record.tasks` */
export function multiTaskModel<T extends TaskKinds = TaskKinds>(
  contents: ModelFolderContents,
  options: ModelOptions = {},
): MultiTaskModel<T> {
  const tasks = contents.record.tasks ?? []
  const rows = openRows(contents, tasks, options)
  async function* predictAll(
    samples: readonly ImageSample[] | SampleTable<TextSample>,
    { top, unknown, signal }: PredictOptions = {},
  ): AsyncGenerator<TaskResult<T>> {
    if (unknown !== undefined)
      throw new UsageError('A model of several tasks does not call samples unknown.', {
        remedy: 'Leave --unknown out, or train a model of one task.',
      })
    for await (const found of rows.run(samples, signal))
      yield 'error' in found ? found : { id: found.id, answers: answersOf(found.logits, tasks, top) as TaskAnswers<T> }
  }
  async function predict(sample: Photo | Text, options?: PredictOptions): Promise<TaskAnswers<T>>
  async function predict(samples: readonly (Photo | Text)[], options?: PredictOptions): Promise<TaskAnswers<T>[]>
  async function predict(
    given: Photo | Text | readonly (Photo | Text)[],
    options: PredictOptions = {},
  ): Promise<TaskAnswers<T> | TaskAnswers<T>[]> {
    const list: readonly (Photo | Text)[] = Array.isArray(given) ? given : [given as Photo | Text]
    const found: TaskAnswers<T>[] = []
    for await (const result of predictAll(list.map(rows.sample) as ImageSample[] | TextSample[], options)) {
      if ('error' in result) throw result.error
      found.push(result.answers)
    }
    return list === given ? found : found[0]!
  }
  return {
    kind: rows.kind,
    tasks,
    record: contents.record,
    predict,
    predictAll,
    evaluate: (data, evaluation = {}) =>
      evaluateTasks({ record: contents.record, tasks, rows, data, options: evaluation }),
    single: (name) => {
      const task = tasks.find((one) => one.name === name)
      if (task === undefined) throw unknownTask(name, tasks)
      return singleModel(contents, task, options)
    },
    save: (folder) => saveModelFolder(folder, contents),
    close: () => rows.close(),
  }
}
