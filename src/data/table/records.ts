/** Records of a file of separated fields (CSV, TSV), with their line numbers. The grammar is csv-parse's. */
import { type CsvError, parse } from 'csv-parse'
import { yieldTurn } from '#platform'
import { GraftError, messageOf } from '../../base/errors.js'

export interface Dialect {
  readonly separator: string
  /** Whether `"` encloses fields, doubled inside them. */
  readonly quotes: boolean
  /** What ends a line. */
  readonly lineEnds: readonly string[]
}

export interface CsvRecord {
  /** The line on which it begins, from 1. */
  readonly line: number
  readonly fields: readonly string[]
}

/** Fields longer than this are taken for a quote that was never closed. */
const LONGEST = 1 << 26

/**
 * The records of a text that comes in pieces; blank lines are left out.
 *
 * @param name the file's name, for messages
 * @param open the text goes on after the last piece: what is incomplete there is left out
 * @throws GraftError where a quote is never closed
 */
export async function* records(
  name: string,
  chunks: Iterable<string> | AsyncIterable<string>,
  dialect: Dialect,
  open = false,
): AsyncGenerator<CsvRecord[]> {
  let batch: CsvRecord[] = []
  let line = 1
  const end = dialect.lineEnds.at(-1)!
  const parser = parse({
    delimiter: dialect.separator,
    quote: dialect.quotes ? '"' : null,
    escape: dialect.quotes ? '"' : null,
    record_delimiter: [...dialect.lineEnds],
    relax_quotes: true,
    relax_column_count: true,
    max_record_size: LONGEST,
  })
  const failed = (error: Error) => refusal(name, line, error)
  // Every failure is handed to the write or the end that met it.
  parser.on('error', () => undefined)
  parser.on('data', (fields: string[]) => {
    if (fields.length > 1 || fields[0]!.trim() !== '') batch.push({ line, fields })
    line++
    for (const field of fields) line += occurrences(field, end)
  })
  const write = (text: string) =>
    new Promise<void>((resolve, reject) => {
      parser.write(text, (error) => (error ? reject(failed(error)) : resolve()))
    })
  try {
    for await (const chunk of chunks) {
      await write(chunk)
      if (batch.length > 0) yield batch
      batch = []
    }
    if (open) {
      // The parser looks ahead: blank lines let it see the end of the last complete record.
      await write(end.repeat(8))
      await yieldTurn()
      if (batch.length > 0) yield batch
      return
    }
    await new Promise<void>((resolve, reject) => {
      parser.once('error', (error) => reject(failed(error)))
      parser.once('end', resolve)
      parser.end()
    })
    if (batch.length > 0) yield batch
  } finally {
    parser.destroy()
  }
}

/** How often a sign occurs. */
export function occurrences(text: string, sign: string): number {
  let found = 0
  for (let at = text.indexOf(sign); at !== -1; at = text.indexOf(sign, at + sign.length)) found++
  return found
}

function refusal(name: string, line: number, error: Error): GraftError {
  const { code } = error as Partial<CsvError>
  if (code === 'CSV_QUOTE_NOT_CLOSED' || code === 'CSV_MAX_RECORD_SIZE')
    return new GraftError(`${name}, line ${line}: a quote opens here and is never closed`, {
      remedy: 'Close it, write a quote inside a text twice (""), or say that quotes enclose nothing (quotes: false).',
      cause: error,
    })
  return new GraftError(`${name}, line ${line}: ${messageOf(error)}`, {
    remedy: 'Save it as CSV with commas and double quotes.',
    cause: error,
  })
}
