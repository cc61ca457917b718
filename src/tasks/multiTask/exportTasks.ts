/** The tasks of a saved network as models of their own: each a folder that transformers.js, Python and Graft load like any single model. */
import { paths } from '#platform'
import { UsageError } from '../../base/errors.js'
import { type ModelFolderContents, saveModelFolder } from '../../models/modelFolder.js'
import { folderContentsOf } from '../loadModel.js'
import { unknownTask } from './rows.js'
import { canBeSingle, singleContents } from './single.js'

export interface ExportTasksOptions {
  /** @default 'all' that can be models of their own */
  readonly tasks?: readonly string[] | 'all' | undefined
  /** Folder for the folders. */
  readonly out: string
}

export interface ExportedTask {
  readonly task: string
  readonly folder: string
}

/**
 * @param folder a model of several tasks
 * @throws UsageError where it has one task alone, or not those that are named
 */
export async function exportTasks(
  folder: string,
  { tasks = 'all', out }: ExportTasksOptions,
): Promise<readonly ExportedTask[]> {
  return writeTasks(await folderContentsOf(folder), tasks, out, folder)
}

/** The same of contents that are open. @param name for messages */
export async function writeTasks(
  contents: ModelFolderContents,
  tasks: readonly string[] | 'all',
  out: string,
  name = 'The model',
): Promise<readonly ExportedTask[]> {
  const known = contents.record.tasks
  if (known === undefined)
    throw new UsageError(`${name}: is a model of one task already.`, { remedy: 'Leave --tasks out.' })
  const wanted =
    tasks === 'all' ? known.filter((task) => canBeSingle(contents, task)).map(({ name: own }) => own) : tasks
  const written: ExportedTask[] = []
  for (const wantedName of wanted) {
    const task = known.find((one) => one.name === wantedName)
    if (task === undefined) throw unknownTask(wantedName, known)
    const folder = paths.join(out, folderName(task.name))
    await saveModelFolder(folder, singleContents(contents, task))
    written.push({ task: task.name, folder })
  }
  return written
}

const folderName = (task: string): string => task.replace(/[^\p{L}\p{N}_.-]+/gu, '-')
