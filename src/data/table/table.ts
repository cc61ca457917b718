/** What every kind of table gives: named columns, and rows in batches that are read anew each time they are asked for. */
import { yieldTurn } from '#platform'
import type { Split } from '../types.js'

/** A value in a table, as its format has it: CSV knows text only. A missing value is null. */
export type Cell = string | number | boolean | null | readonly Cell[] | { readonly [key: string]: Cell }

export interface TableRow {
  /** Number of the row as {@link Table.unit} counts. */
  readonly number: number
  /** Its stable name, where it has one of its own: the file of a text. Default: {@link idOf}. */
  readonly id?: string
  /** One for each column; a row that lacks the last ones is shorter. */
  readonly cells: readonly Cell[]
  /** Why the row cannot be used as it stands: it has too many fields, is no object, ... */
  readonly fault?: string
  /** What makes the row suspect although it can be used. */
  readonly doubt?: string
}

export interface Table {
  /** The file's name, for ids and messages; empty for a list in memory. */
  readonly name: string
  /** What its rows are numbered by. */
  readonly unit: 'line' | 'row' | 'item'
  /** Set where the name of the file or of its folder says it: `train.csv`, `validation/0.parquet`. */
  readonly split: Split | undefined
  readonly columns: readonly string[]
  /** Names of the classes by column, where the format keeps them apart from numbered labels. */
  readonly classNames: ReadonlyMap<string, readonly string[]>
  /** What was found out about the format, and why. Sentences for a person. */
  readonly notes: readonly string[]
  /** What is wrong with the file but not with one row, complete once the rows are read. Sentences for a person. */
  readonly warnings: readonly string[]
  /**
   * The rows, in batches.
   *
   * @param wanted the columns that are needed: a format that can leaves the others unread (their cells are null)
   */
  rows(wanted?: ReadonlySet<string>): AsyncIterable<readonly TableRow[]>
}

/** How a table is to be read, where it is not to be guessed. */
export interface TableOptions {
  /** Encoding of a text file, by its WHATWG label. Default: found out. */
  readonly encoding?: string | undefined
  /** What separates the fields of a row. Default: comma, semicolon, tab or bar, found out. */
  readonly separator?: string | undefined
  /** Whether `"` encloses fields. Default: found out. */
  readonly quotes?: boolean | undefined
  /** Whether the first row names the columns. Default: found out. */
  readonly header?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** Rows that are looked at to find out what a table holds. */
export const LOOKED_AT = 2000

/** The first rows of a table. */
export async function firstRows(table: Table, most = LOOKED_AT): Promise<TableRow[]> {
  const found: TableRow[] = []
  for await (const batch of table.rows()) {
    for (const row of batch) {
      found.push(row)
      if (found.length === most) return found
    }
  }
  return found
}

/** How a person finds a row: `reviews.csv, line 17`, `item 3`. */
export function whereIs(table: Table, row: Pick<TableRow, 'number' | 'id'>): string {
  if (row.id !== undefined) return row.id
  return table.name === '' ? `${table.unit} ${row.number}` : `${table.name}, ${table.unit} ${row.number}`
}

/** The row's stable name: `reviews.csv:17`, `#2` in a list. */
export function idOf(table: Pick<Table, 'name'>, number: number): string {
  return table.name === '' ? `#${number}` : `${table.name}:${number}`
}

/** A list of objects as a table; the columns are the keys of its first rows. */
export function tableOfObjects(items: readonly { readonly [key: string]: unknown }[]): Table {
  const columns = keysOf(items.slice(0, LOOKED_AT))
  return {
    name: '',
    unit: 'item',
    split: undefined,
    columns,
    classNames: new Map(),
    notes: [],
    warnings: [],
    async *rows() {
      for (let at = 0; at < items.length; at += 1024) {
        yield items.slice(at, at + 1024).map((item, i) => ({ ...rowOf(item, columns), number: at + i }))
        await yieldTurn()
      }
    },
  }
}

/** All keys of some objects, in the order in which they first occur. */
export function keysOf(items: readonly unknown[]): string[] {
  const keys = new Set<string>()
  for (const item of items) if (isObject(item)) for (const key of Object.keys(item)) keys.add(key)
  return [...keys]
}

/** An object's values by column; a fault for what is no object. */
export function rowOf(item: unknown, columns: readonly string[]): Omit<TableRow, 'number'> {
  if (!isObject(item)) return { cells: [], fault: `is ${describeValue(item)}, expected an object with a key a column` }
  return { cells: columns.map((column) => cellOf(item[column])) }
}

/** Any value as a cell: numbers that are too long become doubles, bytes (of pictures, sounds) are left out. */
export function cellOf(value: unknown): Cell {
  if (value === null || value === undefined) return null
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isNaN(value) ? null : value
    case 'bigint':
      return Number(value)
    case 'object':
      if (Array.isArray(value)) return value.map(cellOf)
      if (value instanceof Uint8Array || value instanceof DataView) return null
      if (ArrayBuffer.isView(value)) return Array.from(value as Int8Array, cellOf)
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
      // Lists and records of a columnar format.
      if ('toJSON' in value && typeof value.toJSON === 'function') return cellOf(value.toJSON())
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, cellOf(inner)]))
    default:
      return String(value)
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
}

/** What a value is, for messages: `a list`, `the number 7`, `nothing`. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  const text = String(value)
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text
  return typeof value === 'string' ? `the text ${JSON.stringify(shown)}` : `the ${typeof value} ${shown}`
}
