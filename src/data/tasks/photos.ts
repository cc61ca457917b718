/** Photos with a label a task: a CSV of paths with a column each, a folder that holds such a CSV, a list, or a folder per class. */
import { fileStatus, listFolder, paths } from '#platform'
import { GraftError, UsageError } from '../../base/errors.js'
import { type Row, readCsvRows } from '../csv.js'
import { datasetOf, type ImageItem, images } from '../images.js'
import { list } from '../layout.js'
import { fromRows, itemRow } from '../sources.js'
import { openDelimited } from '../table/delimited.js'
import { type Cell, cellOf } from '../table/table.js'
import type { ImageDataset, SkippedFile } from '../types.js'
import { presentIn, type TaskColumns, TaskLabels } from './labels.js'
import { NOUNS, type TaskItem, type TaskPhotos, type TaskSpec } from './types.js'

export interface TaskPhotosOptions {
  readonly strict?: boolean | undefined
  /** Column that says train, validation or test. @default split */
  readonly split?: string | undefined
  readonly labelSeparator?: string | undefined
  readonly normaliseLabels?: boolean | undefined
  /** Leave out tasks whose columns the data lacks, as long as it has one. @default false */
  readonly partial?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * @throws UsageError or GraftError where a task's column is not there, no photo can be used, or with `strict` where any cannot
 */
export async function taskPhotos(
  source: string | readonly TaskItem[],
  specs: readonly TaskSpec[],
  options: TaskPhotosOptions,
): Promise<TaskPhotos> {
  const [only] = specs
  const bare = specs.length === 1 && only?.columns === undefined && only?.data !== undefined
  if (typeof source === 'string') {
    const table = await tableOf(source)
    if (table === undefined || bare) return oneTask(source, specs, options)
    const { columns } = await openDelimited(table, table, { header: true, quotes: true })
    const tasks = withColumns(options.partial === true ? presentIn(specs, columns) : specs)
    const others = tasks.flatMap(({ columns }) => columns)
    const { rows, warnings } = await readCsvRows(table, { split: options.split, others }, false)
    const cells = new Map<Row, (column: string) => Cell | undefined>(
      rows.map((row) => [row, (column) => row.others?.[others.indexOf(column)]]),
    )
    return fromLabelled(source, rows, tasks, (row) => cells.get(row)!, options, warnings)
  }
  const known = new Set(source.slice(0, 1000).flatMap((item) => Object.keys(item)))
  const tasks = withColumns(options.partial === true ? presentIn(specs, [...known]) : specs)
  const lacking = tasks.flatMap(({ columns }) => columns).find((column) => !known.has(column))
  if (lacking !== undefined)
    throw new UsageError(`The list has no ${JSON.stringify(lacking)}; its items have ${list([...known], 20)}.`, {
      remedy: 'Name one of these as a task.',
    })
  const rows = source.map((item, i) => itemRow(item as ImageItem, i))
  const items = new Map(rows.map((row, i) => [row, source[i]!]))
  return fromLabelled(undefined, rows, tasks, (row) => (column) => cellOf(items.get(row)?.[column]), options, [])
}

function withColumns(specs: readonly TaskSpec[]): TaskColumns[] {
  return specs.map((spec) => ({ ...spec, columns: spec.columns ?? [spec.name] }))
}

/** The CSV of a path: itself, or the only one in a folder; undefined for a folder of classes. */
async function tableOf(path: string): Promise<string | undefined> {
  const status = await fileStatus(path)
  if (status === undefined) throw new GraftError(`${path}: no such file or folder`, { remedy: 'Check the path.' })
  if (status.kind === 'file') return path
  const found = (await listFolder(path)).filter(({ name, kind }) => kind !== 'folder' && /\.(csv|tsv)$/i.test(name))
  const [first, second] = found
  if (second !== undefined)
    throw new UsageError(`${path}: holds several tables: ${list(found.map(({ name }) => name))}.`, {
      remedy: 'Give the path of the one that is meant.',
    })
  return first === undefined ? undefined : paths.join(path, first.name)
}

async function fromLabelled(
  origin: string | undefined,
  rows: readonly Row[],
  tasks: readonly TaskColumns[],
  cellsOf: (row: Row) => (column: string) => Cell | undefined,
  { strict, signal, labelSeparator, normaliseLabels }: TaskPhotosOptions,
  said: readonly string[],
): Promise<TaskPhotos> {
  const labels = new TaskLabels(tasks)
  const unlabelled: SkippedFile[] = []
  const labelled = rows.filter((row) => {
    if (labels.says(cellsOf(row))) return true
    unlabelled.push({ id: row.id, kind: 'unlabelled', reason: `has a label of no task (${row.where})` })
    return false
  })
  const collected = await fromRows(labelled, { labels: false, signal })
  const skipped = [...unlabelled, ...collected.skipped]
  const opened = datasetOf(origin, { ...collected, skipped }, { labels: false, strict })
  const firstOf = new Map<string, Row>()
  for (const row of labelled) if (!firstOf.has(row.id)) firstOf.set(row.id, row)
  for (const { id } of opened.samples) labels.add(cellsOf(firstOf.get(id)!))
  const found = labels.understand({ labelSeparator, normaliseLabels, nouns: NOUNS.images })
  const dataset: ImageDataset = { ...opened, warnings: [...said, ...opened.warnings, ...found.warnings] }
  return {
    kind: 'images',
    dataset,
    tasks: found.tasks,
    notes: found.notes,
    sourceOf: new Int32Array(dataset.samples.length),
  }
}

/** A folder per class: the labels of one task. */
async function oneTask(
  source: string,
  specs: readonly TaskSpec[],
  { strict, signal, split }: TaskPhotosOptions,
): Promise<TaskPhotos> {
  const [only, second] = specs
  if (only === undefined || second !== undefined || only.columns !== undefined || only.data === undefined)
    throw new UsageError(`${source}: has no table with a column for ${specs.map(({ name }) => name).join(', ')}.`, {
      remedy: 'Give a CSV with the columns path and one for each task, or a folder of classes for each: type=photos/.',
    })
  if (only.kind !== undefined && only.kind !== 'single-label' && only.kind !== 'ordinal')
    throw new UsageError(`${source}: gives each photo one class; the task ${only.name} is to be ${only.kind}.`, {
      remedy: 'Leave its type out, or name a column.',
    })
  const { name, classes: order } = only
  const dataset = await images(source, { strict, signal, classes: order, columns: { split } })
  const { classes, samples } = dataset
  const kind = only.kind === 'ordinal' ? 'ordinal' : 'single-label'
  const labels = Int32Array.from(samples, ({ label }) => label)
  return {
    kind: 'images',
    dataset: { ...dataset, classes: [], samples: samples.map((sample) => ({ ...sample, label: -1 })) },
    tasks: [{ name, targets: { kind, classes, labels } }],
    notes: [`${name}: one class a photo (${list(classes, 12)}).`],
    sourceOf: new Int32Array(samples.length),
  }
}
