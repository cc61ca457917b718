/** A CSV of photos: one row a photo, with a path (relative to the CSV), a label and perhaps a split. */
import { exists, paths } from '#platform'
import { GraftError } from '../base/errors.js'
import { list } from './layout.js'
import { openDelimited } from './table/delimited.js'

/** A photo as a row of a table or an item of a list names it. */
export interface Row {
  /** Where it stands, for messages: `line 7`, `item 3`. */
  readonly where: string
  readonly id: string
  readonly source: string | Uint8Array
  readonly label: string | undefined
  readonly split: string | undefined
  /** What the row says in {@link CsvColumns.others}, in their order. */
  readonly others?: readonly (string | undefined)[]
}

export interface CsvColumns {
  /** Default: the first of `path`, `image`, `file`, `filename` that the header has. */
  readonly path?: string | undefined
  /** Default: the first of `label`, `class`, `category`. */
  readonly label?: string | undefined
  /** Default: `split`, where there is such a column. */
  readonly split?: string | undefined
  /** Further columns to read. */
  readonly others?: readonly string[] | undefined
}

const PATH_NAMES = ['path', 'image', 'file', 'filename']
const LABEL_NAMES = ['label', 'class', 'category']
const SPLIT_NAMES = ['split']

export interface CsvRows {
  readonly rows: Row[]
  /** Sentences on the file as a whole: its encoding. */
  readonly warnings: readonly string[]
}

/** @throws GraftError for a file that is no CSV, a header that repeats or lacks a column. */
export async function readCsvRows(path: string, columns: CsvColumns = {}, labelled = true): Promise<CsvRows> {
  const table = await openDelimited(path, path, { header: true, quotes: true })
  const names = table.columns
  if (table.repeated.length > 0)
    throw new GraftError(`${path}: the header names ${list(table.repeated)} more than once`, {
      remedy: 'Rename or remove one of the columns.',
    })
  const pathAt = column(path, names, columns.path, PATH_NAMES, true)
  const labelAt = column(path, names, columns.label, LABEL_NAMES, labelled)
  const splitAt = column(path, names, columns.split, SPLIT_NAMES, false)
  const othersAt = columns.others?.map((name) => column(path, names, name, [], true))
  const folder = paths.folder(path)
  const rows: Row[] = []
  for await (const batch of table.rows())
    for (const { number, cells } of batch) {
      const field = (at: number) => (at === -1 || cells[at] === undefined ? undefined : String(cells[at]))
      const written = await existing(folder, field(pathAt)?.trim() ?? '')
      rows.push({
        where: `line ${number}`,
        id: paths.portable(written),
        source: written === '' ? '' : located(folder, written),
        label: field(labelAt),
        split: field(splitAt),
        ...(othersAt && { others: othersAt.map(field) }),
      })
    }
  return { rows, warnings: table.warnings }
}

function located(folder: string, written: string): string {
  return paths.absolute(written) ? written : paths.join(folder, written)
}

/** A path written on Windows has backslashes; elsewhere these are taken as separators unless a file has that very name. */
async function existing(folder: string, written: string): Promise<string> {
  if (!written.includes('\\') || (await exists(located(folder, written)))) return written
  return written.replaceAll('\\', '/')
}

/** Position of a column; -1 for one that may be missing. */
function column(
  path: string,
  names: readonly string[],
  chosen: string | undefined,
  usual: readonly string[],
  required: boolean,
): number {
  const lower = names.map((name) => name.toLowerCase())
  if (chosen !== undefined) {
    const at = names.indexOf(chosen)
    if (at !== -1) return at
    throw new GraftError(`${path}: no column ${chosen}; found ${list(names, 20)}`, { remedy: 'Name one of these.' })
  }
  for (const name of usual) if (lower.includes(name)) return lower.indexOf(name)
  if (!required) return -1
  throw new GraftError(`${path}: no column ${usual[0]}; the header has ${list(names, 20)}`, {
    remedy: `Rename the column to ${usual[0]}; the first line must be a header such as path,label.`,
  })
}
