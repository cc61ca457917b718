/** What a model of several tasks runs: logits of samples of either kind, the tasks' columns side by side. */
import { type GraftError, UsageError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import { nearestName } from '../../base/nearest.js'
import type { SampleTable, TextSample } from '../../data/text/types.js'
import { imageTransform } from '../../data/transform.js'
import type { ImageSample } from '../../data/types.js'
import type { ModelFolderContents } from '../../models/modelFolder.js'
import type { RecordedTask } from '../../models/record.js'
import { joinedTasks } from '../../models/taskOutputs.js'
import { PhotoNetwork, photoRows, photoSample } from '../images/model.js'
import { TextNetwork, textSampleOf } from '../texts/model.js'
import type { EvaluateOptions, ModelOptions, Photo, Text } from '../trainedModel.js'

export interface EvaluateTasksOptions extends Omit<EvaluateOptions, 'label'> {
  /** Where the labels lie, as for `multitask`; tasks that are not named are not measured. @default the columns of the training */
  readonly tasks?: readonly string[] | undefined
}

/** The error for a task that the model does not have. */
export function unknownTask(name: string, tasks: readonly RecordedTask[]): UsageError {
  const names = tasks.map((task) => task.name)
  const near = nearestName(name, names)
  return new UsageError(`The model has no task "${name}"; it has ${names.join(', ')}.`, {
    remedy: near === undefined ? 'Name one of these.' : `Did you mean ${near}?`,
  })
}

/** Logits of samples of either kind, all tasks side by side. */
export interface TaskRows {
  readonly kind: 'images' | 'texts'
  sample(given: Photo | Text, i: number): ImageSample | TextSample
  run(
    samples: readonly ImageSample[] | SampleTable<TextSample>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<TaskRow>
  close(): Promise<void>
}

export type TaskRow =
  | { readonly id: string; readonly logits: Matrix }
  | { readonly id: string; readonly error: GraftError }

/** @param contents of a folder with `record.tasks` */
export function openRows(
  contents: ModelFolderContents,
  tasks: readonly RecordedTask[],
  options: ModelOptions,
): TaskRows {
  const names = tasks.map(({ name }) => name)
  const joined = { ...contents, model: joinedTasks(contents.model, names) }
  if (contents.preprocessor !== undefined) {
    const network = new PhotoNetwork(joined, imageTransform(contents.preprocessor), options)
    return {
      kind: 'images',
      sample: photoSample,
      run: (samples, signal) => photoRows(network, samples as readonly ImageSample[], signal),
      close: () => network.close(),
    }
  }
  const network = new TextNetwork(joined, options)
  return {
    kind: 'texts',
    sample: textSampleOf,
    async *run(samples, signal) {
      for await (const { sample, logits } of network.run(samples as SampleTable<TextSample>, signal))
        yield { id: sample.id, logits }
    },
    close: () => network.close(),
  }
}
