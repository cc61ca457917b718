/** Opens the data of several tasks: one table with a column each, a data set for each, or a mixture of both. */
import { UsageError } from '../../base/errors.js'
import { detectKind } from '../text/kind.js'
import { joinTasks } from './join.js'
import { taskPhotos } from './photos.js'
import { taskText } from './specification.js'
import { type TaskTextsOptions, taskTexts } from './texts.js'
import type { TaskDataset, TaskItem, TaskPhotos, TaskSpec, TaskTexts } from './types.js'

export interface OpenTasksOptions extends TaskTextsOptions {
  /** What the data hold. @default found out */
  readonly kind?: 'images' | 'texts' | undefined
  /** Leave out tasks whose columns the data lacks, instead of refusing it. @default false */
  readonly partial?: boolean | undefined
}

/**
 * @param source the data set of all tasks that name none of their own; undefined where each does
 * @throws UsageError where a task has no data, where some are of photos and others of texts, or where a column is not there
 */
export async function openTasks(
  source: string | readonly TaskItem[] | undefined,
  specs: readonly TaskSpec[],
  { kind, ...options }: OpenTasksOptions = {},
): Promise<TaskDataset> {
  const places = placesOf(source, specs)
  const found = kind ?? (await kindOfTasks(source, specs))
  const names = specs.map(({ name }) => name)
  if (found === 'images') {
    const parts: TaskPhotos[] = []
    for (const [place, own] of places) parts.push(await taskPhotos(place, own, photoOptions(options)))
    return joinTasks(parts, names)
  }
  const parts: TaskTexts[] = []
  for (const [place, own] of places) parts.push(await taskTexts(place, own, options))
  return joinTasks(parts, names)
}

/** The tasks of each data set. */
function placesOf(
  source: string | readonly TaskItem[] | undefined,
  specs: readonly TaskSpec[],
): Map<string | readonly TaskItem[], TaskSpec[]> {
  const places = new Map<string | readonly TaskItem[], TaskSpec[]>()
  for (const spec of specs) {
    const place = spec.data ?? source
    if (place === undefined)
      throw new UsageError(`The task ${spec.name} has no data.`, {
        remedy: `Give a data set for all tasks, or one for this task: ${taskText({ ...spec, data: 'PATH' })}.`,
      })
    places.set(place, [...(places.get(place) ?? []), spec])
  }
  return places
}

/**
 * What the data of all tasks hold.
 *
 * @throws UsageError where there are no tasks, one has no data, or some are of photos and others of texts
 */
export async function kindOfTasks(
  source: string | readonly TaskItem[] | undefined,
  specs: readonly TaskSpec[],
): Promise<'images' | 'texts'> {
  const kinds = new Map<string, 'images' | 'texts'>()
  for (const place of placesOf(source, specs).keys())
    kinds.set(typeof place === 'string' ? place : 'the list', await kindOfPlace(place))
  const [found] = kinds.values()
  const other = [...kinds].find(([, one]) => one !== found)
  if (found === undefined) throw new UsageError('There are no tasks.', { remedy: 'Name them with --tasks.' })
  if (other !== undefined)
    throw new UsageError(`Tasks share one network: ${[...kinds.keys()][0]} holds ${found}, ${other[0]} ${other[1]}.`, {
      remedy: 'Train them apart.',
    })
  return found
}

async function kindOfPlace(place: string | readonly TaskItem[]): Promise<'images' | 'texts'> {
  if (typeof place === 'string') return (await detectKind(place)).kind
  return place[0]?.image === undefined ? 'texts' : 'images'
}

function photoOptions({ strict, split, labelSeparator, normaliseLabels, partial, signal }: TaskTextsOptions) {
  return { strict, partial, labelSeparator, normaliseLabels, signal, ...(typeof split === 'string' ? { split } : {}) }
}
