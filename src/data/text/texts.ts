/**
 * Opens a data set of texts: a CSV or TSV, JSON, JSON Lines, Parquet, CoNLL, a folder of text files per class, a folder in the
 * shape of a Hugging Face data set, or a list. Which columns are which and what the labels are is found out and said. Rows
 * are read once, in batches; texts that do not fit into memory wait in a temporary file.
 */
import { GraftError } from '../../base/errors.js'
import { type Cell, firstRows, type Table } from '../table/table.js'
import { countOf, isKnown, type Targets, takeTargets } from '../targets.js'
import type { Columns } from './columnChoice.js'
import { chooseColumns } from './columns.js'
import { LabelCollector } from './labelColumn.js'
import { understandLabels } from './labels.js'
import type { TextItem, TextsOptions } from './options.js'
import { type ReadRow, rowReader } from './rows.js'
import { SampleStore } from './samples.js'
import { Skips } from './skips.js'
import { openTables } from './sources.js'
import { targetWarnings } from './targetWarnings.js'
import { TextChecks } from './textChecks.js'
import type { TextDataset } from './types.js'
import { WordLabelCollector } from './wordLabels.js'

/**
 * @param source a file (`.csv`, `.tsv`, `.json`, `.jsonl`, `.parquet`, `.conll`; without labels also `.txt`, a text a line), a
 *   folder (of such files, or of `.txt` files in a folder per class, both perhaps divided into train, validation and test), a
 *   pattern, or a list of objects
 * @throws GraftError where nothing can be read or no row can be used, or with `strict` where any row cannot be used; UsageError
 *   where a column that was named is not there, or where it cannot be told which column is meant
 */
export async function texts(
  source: string | readonly (TextItem | string)[],
  options: TextsOptions = {},
): Promise<TextDataset> {
  const origin = typeof source === 'string' ? source : undefined
  const name = origin ?? 'the list'
  const opened = await openTables(source, options)
  // Parts for a test may lack columns that those to train have.
  const first = opened.tables.find(({ split }) => split === 'train') ?? opened.tables[0]
  if (first === undefined) throw new GraftError(`${name}: holds no data`, { remedy: 'Give it rows.' })
  const columns = chooseColumns({
    name: first.name || name,
    columns: first.columns,
    rows: await firstRows(first),
    options,
  })
  const reader = new Reader(name, columns, first, options)
  for (const skip of opened.skipped) reader.skips.add(skip)
  for (const table of opened.tables) await reader.read(table)
  return reader.dataset(origin, [...opened.notes, ...unique(opened.tables.flatMap(({ notes }) => notes))])
}

class Reader {
  readonly skips = new Skips()
  readonly #name: string
  readonly #columns: Columns
  readonly #options: TextsOptions
  readonly #store: SampleStore
  readonly #checks = new TextChecks()
  readonly #labels: LabelCollector
  readonly #wordLabels: WordLabelCollector
  readonly #classNames: readonly string[] | undefined
  readonly #warnings: string[] = []
  #doubts = 0
  #firstDoubt = ''

  constructor(name: string, columns: Columns, first: Table, options: TextsOptions) {
    this.#name = name
    this.#columns = columns
    this.#options = options
    this.#store = new SampleStore(options.inMemory)
    const [label = 'label', second] = columns.labels
    this.#classNames = second === undefined ? first.classNames.get(label) : columns.labels
    this.#labels = new LabelCollector(label)
    this.#wordLabels = new WordLabelCollector({ name: label, classes: options.classes, classNames: this.#classNames })
  }

  async read(table: Table): Promise<void> {
    const { text, pair, labels, split } = this.#columns
    const needed = [text, ...(pair === undefined ? [] : [pair]), ...labels]
    const lacking = needed.find((column) => !table.columns.includes(column))
    if (lacking !== undefined) {
      const reason = `has no column ${JSON.stringify(lacking)}; it has ${table.columns.join(', ')}`
      this.skips.add({ id: table.name, kind: labels.includes(lacking) ? 'unlabelled' : 'malformed', reason })
      return
    }
    const wanted = new Set([...needed, ...(split === undefined ? [] : [split])])
    const readRow = rowReader(table, this.#columns)
    for await (const batch of table.rows(wanted)) {
      this.#options.signal?.throwIfAborted()
      for (const row of batch) this.#take(readRow(row), row.doubt)
      this.#options.onProgress?.(this.#store.length)
    }
    this.#warnings.push(...table.warnings.filter((warning) => !this.#warnings.includes(warning)))
  }

  #take(read: ReadRow, doubt: string | undefined): void {
    if (read.skip !== undefined) {
      this.skips.add(read.skip)
      return
    }
    const { sample, label } = read
    this.#checks.add(sample.text, () => sample.id)
    if (doubt !== undefined && this.#doubts++ === 0) this.#firstDoubt = `${sample.id} ${doubt}`
    this.#store.add(sample)
    if (this.#columns.labels.length === 0) return
    if (this.#columns.words) this.#wordLabels.add(label as readonly Cell[])
    else this.#labels.add(label)
  }

  dataset(origin: string | undefined, said: readonly string[]): TextDataset {
    const notes = [...said, ...unique(this.#columns.choices.map(({ why }) => why))]
    const warnings = [...this.#columns.warnings]
    let targets: Targets | undefined
    if (this.#columns.labels.length > 0 && this.#store.length > 0) {
      const understood = this.#understand()
      notes.push(understood.note)
      warnings.push(...understood.warnings)
      targets = understood.targets
    }
    const known = targets === undefined ? undefined : this.#known(targets)
    const samples = this.#store.table(known)
    if (known !== undefined) targets = takeTargets(targets!, known)
    if (this.#options.strict === true) this.skips.refuse(this.#name)
    if (samples.length === 0) throw this.#nothing()
    if (this.#doubts > 0)
      warnings.push(`${this.#doubts === 1 ? '1 text is' : `${this.#doubts} texts are`} suspect: ${this.#firstDoubt}`)
    return {
      kind: 'texts',
      origin,
      samples,
      targets,
      columns: this.#columns.choices,
      notes,
      skipped: this.skips.named,
      warnings: [
        ...this.#warnings,
        ...warnings,
        ...this.skips.warnings(),
        ...this.#checks.warnings(),
        ...(targets === undefined ? [] : targetWarnings(targets)),
      ],
    }
  }

  #understand() {
    if (this.#columns.words) return this.#wordLabels.understand()
    return understandLabels(this.#labels.column(), {
      name: this.#columns.labels.join(', '),
      options: this.#options,
      classNames: this.#classNames,
      columnEach: this.#columns.labels.length > 1,
    })
  }

  /** Positions of the samples that have a label; the others are left out. Undefined where all have one. */
  #known(targets: Targets): Int32Array | undefined {
    const count = countOf(targets)
    const column = JSON.stringify(this.#columns.labels[0])
    const all = this.#store.table()
    let unknown = 0
    for (let i = 0; i < count; i++) {
      if (isKnown(targets, i)) continue
      unknown++
      this.skips.add({ id: all.at(i)!.id, kind: 'unlabelled', reason: `has no label in ${column}` })
    }
    if (unknown === 0) return undefined
    const known = new Int32Array(count - unknown)
    for (let i = 0, to = 0; i < count; i++) if (isKnown(targets, i)) known[to++] = i
    return known
  }

  #nothing(): GraftError {
    const lines = this.skips.named.slice(0, 5).map(({ id, reason }) => `\n  ${id}: ${reason}`)
    const found =
      lines.length === 0
        ? 'it has no rows'
        : `${this.skips.faults === 1 ? 'one row was' : `${this.skips.faults} rows were`} left out:${lines.join('')}`
    return new GraftError(`${this.#name}: no text found; ${found}`, {
      remedy: 'Give a table with a column of texts and a column of labels, or name them with --text and --label.',
    })
  }
}

function unique(sentences: readonly string[]): string[] {
  return [...new Set(sentences)]
}
