/** From a row of a table to a text and its label; or why the row cannot be used. */
import { GraftError } from '../../base/errors.js'
import { splitNamed } from '../layout.js'
import { type Cell, describeValue, idOf, type Table, type TableRow, whereIs } from '../table/table.js'
import type { SkipKind, SkippedFile, Split } from '../types.js'
import type { Columns } from './columnChoice.js'
import { flagOf } from './columnLook.js'
import type { TextSample } from './types.js'

export type ReadRow =
  | { readonly sample: TextSample; readonly label: Cell | undefined; readonly skip?: undefined }
  | { readonly skip: SkippedFile }

/**
 * A reader of a table's rows. A label is as the table has it; of several columns of 0 and 1 it is the list of those that
 * have 1; of labelled words it is the list of their labels.
 *
 * @throws GraftError (the reader) where the part of a split is no part
 */
export function rowReader(table: Table, columns: Columns): (row: TableRow) => ReadRow {
  const at = (column: string | undefined) => (column === undefined ? -1 : table.columns.indexOf(column))
  const [textAt, pairAt, splitAt] = [at(columns.text), at(columns.pair), at(columns.split)]
  const labelsAt = columns.labels.map(at)
  return (row) => {
    const id = row.id ?? idOf(table, row.number)
    const skip = (kind: SkipKind, reason: string): ReadRow => ({ skip: { id, kind, reason } })
    if (row.fault !== undefined) return skip('malformed', row.fault)
    const split = partOf(table, row, row.cells[splitAt])
    const part = split === undefined ? {} : { split }
    const labels = labelsAt.map((position) => row.cells[position])
    if (columns.words) {
      const fault = faultOfWords(row.cells[textAt], labels)
      if (fault !== undefined) return skip(...fault)
      const words = (row.cells[textAt] as readonly Cell[]).map((word) => wellFormed(String(word ?? '')))
      return { sample: { id, text: words.join(' '), words, ...part }, label: labels[0] }
    }
    const text = textIn(row.cells[textAt])
    const pair = pairAt === -1 ? undefined : textIn(row.cells[pairAt])
    const fault =
      faultOfText(text, row.cells[textAt], columns.text) ??
      (columns.pair === undefined ? undefined : faultOfText(pair, row.cells[pairAt], columns.pair))
    if (fault !== undefined) return skip(...fault)
    const sample = { id, text: text!, ...(pair === undefined ? {} : { pair }), ...part }
    if (columns.labels.length < 2) return { sample, label: labels[0] }
    const flags = labels.map(flagOf)
    const odd = flags.indexOf(undefined)
    if (odd === -1) return { sample, label: columns.labels.filter((_, i) => flags[i]) }
    return skip(
      'unlabelled',
      `has ${describeValue(labels[odd])} in ${JSON.stringify(columns.labels[odd])}, expected 0 or 1`,
    )
  }
}

type Fault = [kind: SkipKind, reason: string] | undefined

function faultOfWords(words: Cell | undefined, labels: readonly (Cell | undefined)[]): Fault {
  if (words === null || (Array.isArray(words) && words.length === 0)) return ['empty', 'has no words']
  if (!Array.isArray(words)) return ['malformed', `has ${describeValue(words)}, expected a list of words`]
  if (labels.length === 0) return undefined
  const [tags] = labels
  if (Array.isArray(tags) && tags.length === words.length) return undefined
  const found = Array.isArray(tags) ? `${tags.length} labels` : describeValue(tags)
  return ['malformed', `has ${found} for ${words.length} words`]
}

function faultOfText(text: string | undefined, cell: Cell | undefined, column: string): Fault {
  if (text === undefined)
    return ['malformed', `has ${describeValue(cell)} in ${JSON.stringify(column)}, expected a text`]
  return text.trim() === '' ? ['empty', `has no text in ${JSON.stringify(column)}`] : undefined
}

/** The text in a cell; undefined where it holds no text. A number is its text; nothing is an empty one. */
function textIn(cell: Cell | undefined): string | undefined {
  if (cell === null || cell === undefined) return ''
  if (typeof cell === 'string') return wellFormed(cell)
  return typeof cell === 'number' || typeof cell === 'boolean' ? String(cell) : undefined
}

/** Half a surrogate pair, which JSON can hold and no file can, becomes U+FFFD. */
function wellFormed(text: string): string {
  return /\p{Surrogate}/u.test(text) ? text.replace(/\p{Surrogate}/gu, '\ufffd') : text
}

function partOf(table: Table, row: TableRow, cell: Cell | undefined): Split | undefined {
  const word = cell === undefined || cell === null ? '' : String(cell)
  if (word.trim() === '') return table.split
  const split = splitNamed(word)
  if (split !== undefined) return split
  throw new GraftError(`${whereIs(table, row)}: split is ${JSON.stringify(word)}, expected train, validation or test`, {
    remedy: 'Correct it or leave it empty.',
  })
}
