/** CSV, TSV and their relatives as a table: commas, semicolons, tabs or bars, with or without quotes and header. */
import { GraftError } from '../../base/errors.js'
import type { Split } from '../types.js'
import { dialectOf, hasHeader, repeats, seemsToSwallow } from './dialect.js'
import { encodingOf, textChunks } from './encoding.js'
import { type CsvRecord, records } from './records.js'
import type { Table, TableOptions, TableRow } from './table.js'

/** Letters at the beginning of a file that are looked at to find out how it is written. */
const HEAD = 1 << 18

export interface DelimitedTable extends Table {
  /** False where the columns have no names of their own and are called `column 1`, `column 2`, ... */
  readonly header: boolean
  /** Names that the header has more than once. */
  readonly repeated: readonly string[]
}

/**
 * @param name the file's name in ids and messages
 * @throws GraftError for a file that is empty, no text, or cannot be read
 */
export async function openDelimited(
  path: string,
  name: string,
  options: TableOptions = {},
  split?: Split,
): Promise<DelimitedTable> {
  const { encoding, warning } = await encodingOf(path, name, options.encoding)
  const { text, open } = await headOf(path, encoding)
  const { dialect, sample, notes } = await dialectOf(name, text, open, options)
  const [first] = sample
  if (first === undefined)
    throw new GraftError(`${name}: is empty`, { remedy: 'Give it a header and rows: text,label.' })
  const header = options.header ?? hasHeader(sample)
  const width = header ? first.fields.length : commonWidth(sample)
  const columns = header
    ? uniqueNames(first.fields.map((field) => field.trim()))
    : Array.from({ length: width }, (_, i) => `column ${i + 1}`)
  const said = header || options.header === false ? [] : [headerless(name, first)]
  return {
    name,
    unit: 'line',
    split,
    columns,
    header,
    repeated: header ? repeatedIn(first.fields.map((field) => field.trim())) : [],
    classNames: new Map(),
    notes: [...notes, ...said],
    warnings: warning === undefined ? [] : [warning],
    async *rows() {
      let above = header
      for await (const batch of records(name, textChunks(path, encoding), dialect)) {
        options.signal?.throwIfAborted()
        const rows = above ? batch.slice(1) : batch
        above = false
        if (rows.length === 0) continue
        yield rows.map((record) => {
          const row = rowOf(record, columns.length, seemsToSwallow(record, width, dialect))
          return header && repeats(record, first) ? { ...row, fault: 'repeats the header' } : row
        })
      }
    },
  }
}

async function headOf(path: string, encoding: string): Promise<{ text: string; open: boolean }> {
  let text = ''
  for await (const chunk of textChunks(path, encoding)) {
    text += chunk
    // A line longer than that is looked at to its end.
    const end = text.length > HEAD ? text.indexOf('\n', HEAD) : -1
    if (end !== -1) return { text: text.slice(0, end + 1), open: true }
  }
  return { text, open: false }
}

function rowOf({ line, fields }: CsvRecord, width: number, swallows: boolean): TableRow {
  const extra = fields.slice(width)
  const row = { number: line, cells: extra.length === 0 ? fields : fields.slice(0, width) }
  if (extra.some((field) => field.trim() !== ''))
    return {
      ...row,
      fault: `has ${fields.length} fields, expected ${width}: a text with separators needs quotes around it`,
    }
  if (fields.length < width) return { ...row, fault: `has ${count(fields.length)}, expected ${width}` }
  return swallows ? { ...row, doubt: 'seems to hold the rows below it: is a quote not closed?' } : row
}

function count(fields: number): string {
  return fields === 1 ? '1 field' : `${fields} fields`
}

function commonWidth(sample: readonly CsvRecord[]): number {
  const widths = new Map<number, number>()
  for (const { fields } of sample) widths.set(fields.length, (widths.get(fields.length) ?? 0) + 1)
  return [...widths].reduce((a, b) => (b[1] > a[1] ? b : a))[0]
}

function repeatedIn(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, i) => name !== '' && names.indexOf(name) !== i))]
}

/** Names of which each can be asked for: a repeated one is numbered, an empty one called after its place. */
function uniqueNames(names: readonly string[]): string[] {
  const seen = new Map<string, number>()
  return names.map((given, i) => {
    const name = given === '' ? `column ${i + 1}` : given
    const times = (seen.get(name) ?? 0) + 1
    seen.set(name, times)
    return times === 1 ? name : `${name} (${times})`
  })
}

function headerless(name: string, first: CsvRecord): string {
  const shown = first.fields.map((field) => (field.length > 30 ? `${field.slice(0, 30)}…` : field)).join(', ')
  return `The first line of ${name} (${shown}) is taken as data, not as names of columns.`
}
