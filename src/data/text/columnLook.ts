/** What the first rows of a table show of each of its columns. */
import { plainName } from '../table/columnNames.js'
import type { Cell, TableRow } from '../table/table.js'

export interface ColumnLook {
  readonly name: string
  /** The name without case, spaces and punctuation. */
  readonly plain: string
  readonly at: number
  /** Cells that are not empty. */
  readonly filled: number
  /** Of these: different ones. */
  readonly distinct: number
  /** What the cells are; `mixed` for none of these. Numbers that are written as text count as numbers. */
  readonly kind: 'empty' | 'text' | 'number' | 'flag' | 'words' | 'numbers' | 'mixed'
  /** Letters of a text, on average. */
  readonly letters: number
  /** Words of a text, on average. */
  readonly words: number
  /** Some of the values, for messages. */
  readonly examples: readonly string[]
}

export function lookAtColumns(columns: readonly string[], rows: readonly TableRow[]): ColumnLook[] {
  return columns.map((name, at) => lookAtColumn(name, at, rows))
}

function lookAtColumn(name: string, at: number, rows: readonly TableRow[]): ColumnLook {
  const cells = rows.flatMap(({ cells: found }) => (isEmpty(found[at]) ? [] : [found[at]!]))
  const distinct = new Set(cells.map((cell) => (typeof cell === 'object' ? JSON.stringify(cell) : String(cell))))
  const texts = cells.filter((cell) => typeof cell === 'string')
  const sum = (value: (text: string) => number) => texts.reduce((total, text) => total + value(text), 0)
  const mean = (total: number) => (texts.length === 0 ? 0 : total / texts.length)
  return {
    name,
    plain: plainName(name),
    at,
    filled: cells.length,
    distinct: distinct.size,
    kind: kindOf(cells),
    letters: mean(sum((text) => text.length)),
    words: mean(sum((text) => text.trim().split(/\s+/).length)),
    examples: [...distinct].slice(0, 3).map((text) => (text.length > 40 ? `${text.slice(0, 40)}…` : text)),
  }
}

function kindOf(cells: readonly Cell[]): ColumnLook['kind'] {
  if (cells.length === 0) return 'empty'
  const all = (test: (cell: Cell) => boolean) => cells.every(test)
  if (all(isFlag)) return 'flag'
  if (all((cell) => typeof cell === 'number' || (typeof cell === 'string' && numberOf(cell) !== undefined)))
    return 'number'
  if (all((cell) => typeof cell === 'string')) return 'text'
  if (all(Array.isArray)) {
    const inner = (cells.flat(1) as Cell[]).filter((cell) => cell !== null)
    if (inner.every((cell) => typeof cell === 'string')) return 'words'
    if (inner.every((cell) => typeof cell === 'number')) return 'numbers'
  }
  return 'mixed'
}

/** Whether a cell says nothing: null, or text without a letter. */
export function isEmpty(cell: Cell | undefined): boolean {
  return cell === null || cell === undefined || (typeof cell === 'string' && cell.trim() === '')
}

/** Whether a text is a number as programs write it. */
function isNumber(text: string): boolean {
  return /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text)
}

/** The number that a text is; with a decimal comma too, unless it may separate thousands. Undefined for other texts. */
export function numberOf(text: string): number | undefined {
  if (isNumber(text)) return Number(text)
  return /^\s*[+-]?\d+,(\d{1,2}|\d{4,})\s*$/.test(text) ? Number(text.replace(',', '.')) : undefined
}

/** Whether a cell says yes or no: 0, 1, true, false. */
export function isFlag(cell: Cell): boolean {
  return flagOf(cell) !== undefined
}

/** What a yes or no says; undefined for anything else. */
export function flagOf(cell: Cell | undefined): boolean | undefined {
  if (typeof cell === 'boolean') return cell
  const text = typeof cell === 'number' ? String(cell) : typeof cell === 'string' ? cell.trim().toLowerCase() : ''
  if (text === '1' || text === 'true' || text === '1.0') return true
  if (text === '0' || text === 'false' || text === '0.0') return false
  return undefined
}
