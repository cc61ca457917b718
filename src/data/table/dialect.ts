/** How a file of separated fields is written, found out from its beginning: separator, quotes, line ends, header. */
import { GraftError } from '../../base/errors.js'
import { isColumnName } from './columnNames.js'
import { type CsvRecord, type Dialect, occurrences, records } from './records.js'
import type { TableOptions } from './table.js'

const SEPARATORS: Readonly<Record<string, string>> = { ',': 'commas', ';': 'semicolons', '\t': 'tabs', '|': 'bars (|)' }

export interface FoundDialect {
  readonly dialect: Dialect
  /** The complete records of the beginning. */
  readonly sample: readonly CsvRecord[]
  /** Sentences on what was found, where it is not what the file's name says. */
  readonly notes: readonly string[]
}

/** Every way to read the beginning, with what it gives. */
interface Attempt {
  readonly dialect: Dialect
  readonly sample: readonly CsvRecord[]
  /** The most frequent number of fields. */
  readonly width: number
  /** Share of the records that have it. */
  readonly consistency: number
  /** Records that seem to have swallowed others. */
  readonly swallowed: number
}

/**
 * The separator is the one that divides most lines into equally many fields; `"` encloses fields unless that divides the
 * lines less evenly.
 *
 * @param head the beginning of the file
 * @param open the file goes on after it
 */
export async function dialectOf(
  name: string,
  head: string,
  open: boolean,
  options: TableOptions,
): Promise<FoundDialect> {
  const lineEnds = head.includes('\n') || !head.includes('\r') ? ['\r\n', '\n'] : ['\r']
  const firstLine = head.slice(0, head.search(/[\r\n]|$/))
  const usual = /\.(tsv|tab)$/i.test(name) ? '\t' : ','
  const signs = [usual, ...Object.keys(SEPARATORS).filter((sign) => sign !== usual)]
  const separators =
    options.separator === undefined ? signs.filter((sign) => firstLine.includes(sign)) : [options.separator]
  if (separators.length === 0) separators.push(usual)
  const ways = options.quotes !== undefined ? [options.quotes] : head.includes('"') ? [true, false] : [true]
  const attempts: Attempt[] = []
  let failure: unknown
  for (const separator of separators)
    for (const quotes of ways) {
      try {
        attempts.push(await attempt(name, head, open, { separator, quotes, lineEnds }))
      } catch (error) {
        if (!(error instanceof GraftError)) throw error
        failure ??= error
      }
    }
  const best = attempts.reduce<Attempt | undefined>((a, b) => (a === undefined || better(b, a) ? b : a), undefined)
  if (best === undefined) throw failure
  // A quote is left open at the end: without quotes the lines must be even, or the quote is a fault of the file.
  if (failure !== undefined && !best.dialect.quotes && best.consistency < 1) throw failure
  const notes: string[] = []
  const { separator, quotes } = best.dialect
  if (separator !== usual && options.separator === undefined)
    notes.push(`Fields of ${name} are separated by ${SEPARATORS[separator] ?? JSON.stringify(separator)}.`)
  if (!quotes && options.quotes === undefined)
    notes.push(
      `Quotes in ${name} are part of the texts: taken as enclosing fields they would not divide the lines evenly.`,
    )
  return { dialect: best.dialect, sample: best.sample, notes }
}

async function attempt(name: string, head: string, open: boolean, dialect: Dialect): Promise<Attempt> {
  const sample: CsvRecord[] = []
  for await (const batch of records(name, [head], dialect, open)) sample.push(...batch)
  const widths = new Map<number, number>()
  for (const { fields } of sample) widths.set(fields.length, (widths.get(fields.length) ?? 0) + 1)
  const [width, times] = [...widths].reduce((a, b) => (b[1] > a[1] ? b : a), [0, 0])
  const swallowed = sample.filter((record) => seemsToSwallow(record, width, dialect)).length
  return { dialect, sample, width, consistency: sample.length === 0 ? 0 : times / sample.length, swallowed }
}

function better(a: Attempt, b: Attempt): boolean {
  if (a.width > 1 !== b.width > 1) return a.width > 1
  return evenness(a) > evenness(b) + 1e-9
}

function evenness({ consistency, swallowed, sample }: Attempt): number {
  return sample.length === 0 ? 0 : consistency - swallowed / sample.length
}

/**
 * Whether a record of several lines holds lines that look like records of their own: what is seen where a quote is not closed
 * and the next one, many lines below, closes it.
 */
export function seemsToSwallow(record: CsvRecord, width: number, { separator, lineEnds }: Dialect): boolean {
  const end = lineEnds.at(-1)!
  return record.fields.some((field) => {
    if (width < 2 || !field.includes(end)) return false
    const inner = field.split(end).slice(1, -1)
    return inner.some((line) => occurrences(line, separator) === width - 1)
  })
}

/**
 * Whether the first record names the columns. It does not where one of its words is a frequent value below it (unless the
 * record as a whole is repeated); it does where one is what columns are called by; else it does not where it has an empty or
 * repeated field, a number or a long text.
 */
export function hasHeader(sample: readonly CsvRecord[]): boolean {
  const [first, ...rest] = sample
  if (first === undefined) return true
  const names = first.fields.map((field) => field.trim())
  const others = rest.filter((record) => !repeats(record, first))
  const again = (name: string, i: number) =>
    name !== '' && others.filter(({ fields }) => fields[i]?.trim() === name).length >= 2
  if (names.some(again)) return false
  if (names.some(isColumnName)) return true
  if (names.some((name) => name === '' || name.length > 60 || /^[+-]?[\d.,]+$/.test(name))) return false
  return new Set(names).size === names.length
}

/** Whether a record is another once more, as headers are where files were joined. */
export function repeats(record: CsvRecord, other: CsvRecord): boolean {
  return record.fields.length === other.fields.length && record.fields.every((field, i) => field === other.fields[i])
}
