/** A table of texts with a column of labels a task; or one data set of texts whose only labels are those of one task. */
import { GraftError, UsageError } from '../../base/errors.js'
import { type Cell, firstRows, type Table } from '../table/table.js'
import type { NamedTask } from '../targets.js'
import { type Columns, columnNamed } from '../text/columnChoice.js'
import { chooseColumns } from '../text/columns.js'
import type { TextItem, TextsOptions } from '../text/options.js'
import { rowReader } from '../text/rows.js'
import { SampleStore } from '../text/samples.js'
import { Skips } from '../text/skips.js'
import { openTables } from '../text/sources.js'
import { TextChecks } from '../text/textChecks.js'
import { texts } from '../text/texts.js'
import { presentIn, type TaskColumns, TaskLabels } from './labels.js'
import { NOUNS, type TaskItem, type TaskSpec, type TaskTexts } from './types.js'

export interface TaskTextsOptions extends Omit<TextsOptions, 'labels' | 'label' | 'target' | 'classes'> {
  /** Leave out tasks whose columns the data lacks, as long as it has one. @default false */
  readonly partial?: boolean | undefined
}

/**
 * @throws UsageError where a task's column is not there; GraftError where no row can be used, or with `strict` where any cannot
 */
export async function taskTexts(
  source: string | readonly TaskItem[],
  specs: readonly TaskSpec[],
  options: TaskTextsOptions,
): Promise<TaskTexts> {
  const name = typeof source === 'string' ? source : 'the list'
  const given = typeof source === 'string' ? source : (source as readonly TextItem[])
  const [only] = specs
  if (specs.length === 1 && only?.columns === undefined && only?.data !== undefined)
    return oneTask(source, only, options)
  const { tables, skipped, notes } = await openTables(given, options)
  const first = tables.find(({ split }) => split === 'train') ?? tables[0]
  if (first === undefined) throw new GraftError(`${name}: holds no data`, { remedy: 'Give it rows.' })
  const query = { name: first.name || name, columns: first.columns, rows: await firstRows(first), options: {} }
  const present = options.partial === true ? presentIn(specs, first.columns) : specs
  const tasks = present.map((spec): TaskColumns => {
    const wanted = spec.columns ?? [spec.name]
    return { ...spec, columns: wanted.map((column) => columnNamed(query, 'label', column)) }
  })
  const label = tasks.flatMap(({ columns }) => columns)
  const columns = chooseColumns({ ...query, options: { ...options, labels: false, label } })
  const taken = [columns.text, columns.pair, columns.split].find(
    (column) => column !== undefined && label.includes(column),
  )
  if (taken !== undefined)
    throw new UsageError(`${name}: the column ${JSON.stringify(taken)} is named as a task and as something else.`, {
      remedy: 'Name another column with --text, --pair or --split-column.',
    })
  const reader = new TaskReader(columns, tasks, options)
  for (const skip of skipped) reader.skips.add(skip)
  for (const table of tables) await reader.read(table)
  return reader.dataset(typeof source === 'string' ? source : undefined, name, notes, first)
}

async function oneTask(
  source: string | readonly TaskItem[],
  { name, kind, classes }: TaskSpec,
  options: TaskTextsOptions,
): Promise<TaskTexts> {
  const dataset = await texts(source as string | readonly TextItem[], {
    ...options,
    ...(kind === undefined ? {} : { target: kind }),
    ...(classes === undefined ? {} : { classes }),
  })
  const { targets } = dataset
  if (targets === undefined || targets.kind === 'token-labels')
    throw new UsageError(
      `${dataset.origin ?? 'the list'}: has ${targets ? 'labels of words' : 'no labels'}, which the task ${name} cannot use.`,
      {
        remedy: `Say which column holds them: ${name}=PATH:COLUMN.`,
      },
    )
  return {
    kind: 'texts',
    dataset: { ...dataset, targets: undefined },
    tasks: [{ name, targets }],
    notes: dataset.notes.map((note) => `${name}: ${note}`),
    sourceOf: new Int32Array(dataset.samples.length),
  }
}

class TaskReader {
  readonly skips = new Skips()
  readonly #columns: Columns
  readonly #tasks: readonly TaskColumns[]
  readonly #options: TaskTextsOptions
  readonly #store: SampleStore
  readonly #checks = new TextChecks()
  readonly #labels: TaskLabels
  readonly #warnings: string[] = []

  constructor(columns: Columns, tasks: readonly TaskColumns[], options: TaskTextsOptions) {
    this.#columns = columns
    this.#tasks = tasks
    this.#options = options
    this.#store = new SampleStore(options.inMemory)
    this.#labels = new TaskLabels(tasks)
  }

  async read(table: Table): Promise<void> {
    const { text, pair, split } = this.#columns
    const labels = this.#tasks.flatMap(({ columns }) => columns)
    const lacking = [text, ...(pair === undefined ? [] : [pair])].find((column) => !table.columns.includes(column))
    if (lacking !== undefined) {
      const reason = `has no column ${JSON.stringify(lacking)}; it has ${table.columns.join(', ')}`
      this.skips.add({ id: table.name, kind: 'malformed', reason })
      return
    }
    const wanted = new Set([
      text,
      ...labels,
      ...(pair === undefined ? [] : [pair]),
      ...(split === undefined ? [] : [split]),
    ])
    const at = new Map(table.columns.map((column, i) => [column, i]))
    const readRow = rowReader(table, this.#columns)
    for await (const batch of table.rows(wanted)) {
      this.#options.signal?.throwIfAborted()
      for (const row of batch) this.#take(readRow(row), (column) => row.cells[at.get(column) ?? -1])
      this.#options.onProgress?.(this.#store.length)
    }
    this.#warnings.push(...table.warnings.filter((warning) => !this.#warnings.includes(warning)))
  }

  #take(read: ReturnType<ReturnType<typeof rowReader>>, cell: (column: string) => Cell | undefined): void {
    if (read.skip !== undefined) {
      this.skips.add(read.skip)
      return
    }
    const { sample } = read
    if (!this.#labels.says(cell)) {
      this.skips.add({ id: sample.id, kind: 'unlabelled', reason: 'has a label of no task' })
      return
    }
    this.#checks.add(sample.text, () => sample.id)
    this.#store.add(sample)
    this.#labels.add(cell)
  }

  dataset(origin: string | undefined, name: string, said: readonly string[], first: Table): TaskTexts {
    if (this.#options.strict === true) this.skips.refuse(name)
    const samples = this.#store.table()
    if (samples.length === 0) {
      const [skip] = this.skips.named
      throw new GraftError(`${name}: no text with a label found${skip ? `; ${skip.id} ${skip.reason}` : ''}.`, {
        remedy: 'Check the columns that were named with --tasks and --text.',
      })
    }
    const { labelSeparator, normaliseLabels } = this.#options
    const found = this.#labels.understand({
      nouns: NOUNS.texts,
      labelSeparator,
      normaliseLabels,
      classNames: first.classNames,
    })
    const notes = [...said, ...this.#columns.choices.map(({ why }) => why), ...found.notes]
    return {
      kind: 'texts',
      dataset: {
        kind: 'texts',
        origin,
        samples,
        targets: undefined,
        columns: this.#columns.choices,
        notes: [...new Set(notes)],
        skipped: this.skips.named,
        warnings: [
          ...this.#warnings,
          ...this.#columns.warnings,
          ...found.warnings,
          ...this.skips.warnings(),
          ...this.#checks.warnings(),
        ],
      },
      tasks: found.tasks as readonly NamedTask[],
      notes: [...new Set(notes)],
      sourceOf: new Int32Array(samples.length),
    }
  }
}
