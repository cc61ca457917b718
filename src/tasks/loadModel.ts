/** Opens a model folder that Graft saved. */
import { UsageError } from '../base/errors.js'
import type { TaskKind } from '../data/tasks/types.js'
import { loadModelFolder, type ModelFolderContents } from '../models/modelFolder.js'
import { type ImageModel, imageModel } from './images/model.js'
import type { TaskKinds } from './multiTask/answers.js'
import { hasTasks, type MultiTaskModel, multiTaskModel } from './multiTask/model.js'
import { unknownTask } from './multiTask/rows.js'
import { type TextModel, textModel } from './texts/model.js'
import type { ModelOptions } from './trainedModel.js'

/** A model by what it reads: `kind` tells which. */
export type Model = ImageModel | TextModel

/** The tasks that a model is expected to have: by name, or each with what it is, which then types its answers. */
export type ExpectedTasks = readonly string[] | TaskKinds

/** What each of them is, as far as that was said. */
export type KindsExpected<E extends ExpectedTasks> = E extends readonly string[]
  ? { readonly [N in E[number]]: TaskKind }
  : E extends TaskKinds
    ? E
    : never

/**
 * Opens a folder that was saved by Graft.
 *
 * @param options with `tasks`, a model of several tasks: `loadModel(folder, { tasks: ['type', 'age_group'] })`, or with what each is,
 *   `{ tasks: { type: 'single-label', price: 'number' } }`, so that `predict` is typed by it
 * @throws GraftError naming the file that is missing or damaged; UsageError where the model has other tasks, or several where one
 *   was expected
 */
export async function loadModel(folder: string, options?: ModelOptions): Promise<Model>
export async function loadModel<const E extends ExpectedTasks>(
  folder: string,
  options: ModelOptions & { readonly tasks: E },
): Promise<MultiTaskModel<KindsExpected<E>>>
export async function loadModel(
  folder: string,
  options: ModelOptions & { readonly tasks?: ExpectedTasks } = {},
): Promise<Model | MultiTaskModel> {
  const { tasks, ...rest } = options
  const model = await openModelFolder(folder, rest)
  if (tasks !== undefined) {
    if (!('tasks' in model))
      throw new UsageError(`${folder}: is a model of one task, not of several.`, { remedy: 'Open it without `tasks`.' })
    checkExpected(model, tasks)
    return model
  }
  if ('tasks' in model) {
    const names = model.tasks.map(({ name }) => name)
    throw new UsageError(`${folder}: is a model of several tasks (${names.join(', ')}).`, {
      remedy: `Say which are expected: loadModel(folder, { tasks: ${JSON.stringify(names)} }).`,
    })
  }
  return model
}

/** Opens a folder whatever it holds: `'tasks' in model` tells a model of several tasks. */
export async function openModelFolder(folder: string, options: ModelOptions = {}): Promise<Model | MultiTaskModel> {
  const contents = await folderContentsOf(folder)
  return hasTasks(contents) ? multiTaskModel(contents, options) : modelOf(contents, options)
}

/** What a folder holds, as it was given to be saved. */
export async function folderContentsOf(folder: string): Promise<ModelFolderContents> {
  const found = await loadModelFolder(folder)
  const { format: _format, files: _files, ...record } = found.record
  return { ...found, readme: `# ${record.backbone.name}\n`, record }
}

function checkExpected(model: MultiTaskModel, expected: ExpectedTasks): void {
  const kinds: readonly (readonly [string, TaskKind | undefined])[] = Array.isArray(expected)
    ? (expected as readonly string[]).map((name) => [name, undefined] as const)
    : Object.entries(expected as TaskKinds)
  for (const [name, kind] of kinds) {
    const task = model.tasks.find((one) => one.name === name)
    if (task === undefined) throw unknownTask(name, model.tasks)
    if (kind !== undefined && task.kind !== kind)
      throw new UsageError(`The task ${name} is ${task.kind}; ${kind} was expected.`, {
        remedy: `Expect ${task.kind}.`,
      })
  }
}

/** The model of one task that a folder's contents make. */
export function modelOf(contents: ModelFolderContents, options: ModelOptions = {}): Model {
  return contents.record.task === 'image-classification' ? imageModel(contents, options) : textModel(contents, options)
}
