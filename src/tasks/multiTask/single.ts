/** One task of a network of several as a model folder of its own, which any program that knows single models loads. */
import { UsageError } from '../../base/errors.js'
import { type ModelFolderContents, STATISTICS_FILE } from '../../models/modelFolder.js'
import type { RecordedTask } from '../../models/record.js'
import { singleTask } from '../../models/taskOutputs.js'
import { type ImageModel, imageModel } from '../images/model.js'
import { problemOf } from '../texts/folder.js'
import { type TextModel, textModel } from '../texts/model.js'
import type { ModelOptions } from '../trainedModel.js'

/** Whether a model by itself can give the task's answers: numbers and several labels of photos none can. */
export function canBeSingle(
  { preprocessor }: Pick<ModelFolderContents, 'preprocessor'>,
  { kind }: RecordedTask,
): boolean {
  return preprocessor === undefined || (kind !== 'number' && kind !== 'multi-label')
}

/**
 * Everything of the task's folder.
 *
 * @throws UsageError for numbers and several labels of photos, which single models of photos do not know
 */
export function singleContents(contents: ModelFolderContents, task: RecordedTask): ModelFolderContents {
  const { name, kind, labels } = task
  if (!canBeSingle(contents, task))
    throw new UsageError(`The task ${name} is ${kind}; a model of photos by itself gives one class a photo.`, {
      remedy: 'Use it in the model of all tasks, whose ONNX file has an output for it.',
    })
  const { tasks: _tasks, metrics, ...record } = contents.record
  const { problem: _problem, extra, ...shared } = contents
  // The features are those of all tasks.
  const statistics = extra?.[STATISTICS_FILE]
  const figures = (metrics.tasks ?? {}) as Readonly<Record<string, Readonly<Record<string, unknown>>>>
  const technique = `${record.technique}, task ${name}`
  return {
    ...shared,
    model: singleTask(contents.model, name),
    labels,
    readme: card(contents, task),
    ...(statistics === undefined ? {} : { extra: { [STATISTICS_FILE]: statistics } }),
    ...(contents.preprocessor === undefined ? { target: kind, problem: problemOf(kind) } : {}),
    record: {
      ...record,
      technique,
      ...(contents.preprocessor === undefined ? { target: kind } : {}),
      metrics: figures[name] === undefined ? {} : { split: metrics.split, ...figures[name] },
    },
  }
}

export function singleModel(
  contents: ModelFolderContents,
  task: RecordedTask,
  options: ModelOptions = {},
): ImageModel | TextModel {
  const own = singleContents(contents, task)
  return own.preprocessor === undefined ? textModel(own, options) : imageModel(own, options)
}

function card({ record, licence }: ModelFolderContents, { name, labels }: RecordedTask): string {
  const type = record.task
  return `---
license: ${licence?.name ?? 'other'}
library_name: transformers.js
pipeline_tag: ${type}
tags:
- ${type}
- onnx
- graft-ml
---
# ${name}

One task of a network that was trained for several: ${name} (${labels.join(', ')}). ${record.backbone.name} adapted by ${record.technique}.
`
}
