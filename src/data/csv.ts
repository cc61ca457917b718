/** A CSV of photos: one row a photo, with a path (relative to the CSV), a label and perhaps a split. */
import { type CsvError, parse } from 'csv-parse/sync'
import { exists, paths, readFileText } from '#platform'
import { GraftError, messageOf } from '../base/errors.js'
import { list } from './layout.js'

/** A photo as a row of a table or an item of a list names it. */
export interface Row {
  /** Where it stands, for messages: `line 7`, `item 3`. */
  readonly where: string
  readonly id: string
  readonly source: string | Uint8Array
  readonly label: string | undefined
  readonly split: string | undefined
}

export interface CsvColumns {
  /** Default: the first of `path`, `image`, `file`, `filename` that the header has. */
  readonly path?: string | undefined
  /** Default: the first of `label`, `class`, `category`. */
  readonly label?: string | undefined
  /** Default: `split`, where there is such a column. */
  readonly split?: string | undefined
}

const PATH_NAMES = ['path', 'image', 'file', 'filename']
const LABEL_NAMES = ['label', 'class', 'category']
const SPLIT_NAMES = ['split']

interface Parsed {
  readonly record: readonly string[]
  readonly info: { readonly lines: number }
}

/** @throws GraftError for a file that is no CSV, a header that repeats or lacks a column. */
export async function readCsvRows(path: string, columns: CsvColumns = {}, labelled = true): Promise<Row[]> {
  const text = await readFileText(path)
  const parsed = parseText(path, text)
  const [header, ...rows] = parsed
  if (header === undefined) throw new GraftError(`${path}: is empty`, { remedy: 'Give it a header: path,label.' })
  const names = header.record.map((name) => name.trim())
  const repeated = names.filter((name, i) => name !== '' && names.indexOf(name) !== i)
  if (repeated.length > 0)
    throw new GraftError(`${path}: the header names ${list([...new Set(repeated)])} more than once`, {
      remedy: 'Rename or remove one of the columns.',
    })
  const pathAt = column(path, names, columns.path, PATH_NAMES, true)
  const labelAt = column(path, names, columns.label, LABEL_NAMES, labelled)
  const splitAt = column(path, names, columns.split, SPLIT_NAMES, false)
  const folder = paths.folder(path)
  const found: Row[] = []
  for (const { record, info } of rows) {
    const written = await existing(folder, record[pathAt]?.trim() ?? '')
    found.push({
      where: `line ${info.lines}`,
      id: paths.portable(written),
      source: written === '' ? '' : located(folder, written),
      label: labelAt === -1 ? undefined : record[labelAt],
      split: splitAt === -1 ? undefined : record[splitAt],
    })
  }
  return found
}

function located(folder: string, written: string): string {
  return paths.absolute(written) ? written : paths.join(folder, written)
}

/** A path written on Windows has backslashes; elsewhere these are taken as separators unless a file has that very name. */
async function existing(folder: string, written: string): Promise<string> {
  if (!written.includes('\\') || (await exists(located(folder, written)))) return written
  return written.replaceAll('\\', '/')
}

function parseText(path: string, text: string): Parsed[] {
  const firstLine = text.slice(0, text.search(/[\r\n]|$/))
  const options = {
    delimiter: delimiterOf(firstLine),
    info: true,
    skip_empty_lines: true,
    relax_column_count: true,
  } as const
  try {
    return parse(text, options) as unknown as Parsed[]
  } catch (error) {
    const line = (error as Partial<CsvError>).lines
    throw new GraftError(`${path}${typeof line === 'number' ? `, line ${line}` : ''}: ${messageOf(error)}`, {
      remedy: 'Save it as CSV with commas and double quotes.',
      cause: error,
    })
  }
}

/** Comma, semicolon (spreadsheets in many languages) or tab: whichever the header has most of. */
function delimiterOf(header: string): string {
  const count = (sign: string) => header.split(sign).length
  return [',', ';', '\t'].reduce((best, sign) => (count(sign) > count(best) ? sign : best))
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
