/** Gathers the labels of rows as they are read: each different value once, and a number a row. */
import { GraftError } from '../../base/errors.js'
import { Growing } from '../table/growing.js'
import type { Cell } from '../table/table.js'
import { isEmpty, numberOf } from './columnLook.js'

/** More different values than this are numbers, or no labels. */
const MOST_DIFFERENT = 200_000

/** A value that occurs in a column of labels. */
export interface LabelValue {
  /** As it is written, where it is one value. */
  readonly text: string
  /** Where it is a list. */
  readonly list: readonly string[] | undefined
  /** Where it is, or reads as, a number. */
  readonly number: number | undefined
  /** Rows that have it. */
  readonly count: number
}

export interface LabelColumn {
  /** The different values in the order in which they first occur; empty where `numbers` is given. */
  readonly values: readonly LabelValue[]
  /** For each row the position of its value; -1 where it has none. (N); empty where `numbers` is given. */
  readonly rows: Int32Array
  /** The values themselves, NaN for none, where there are too many different ones and all are numbers. (N) */
  readonly numbers: Float64Array | undefined
}

export class LabelCollector {
  readonly #name: string
  readonly #positions = new Map<string, number>()
  #values: { text: string; list: readonly string[] | undefined; number: number | undefined; count: number }[] = []
  #rows = new Growing(new Int32Array(0))
  #numbers: Growing<Float64Array> | undefined

  /** @param name the column's name, for messages */
  constructor(name: string) {
    this.#name = name
  }

  /** The label of the next row; an empty one says that it has none. An empty list is a value. */
  add(cell: Cell | undefined): void {
    if (this.#numbers !== undefined) {
      this.#addNumber(this.#numbers, cell)
      return
    }
    if (isEmpty(cell)) {
      this.#rows.push(-1)
      return
    }
    const list = Array.isArray(cell) ? cell.filter((item) => !isEmpty(item)).map(textOf) : undefined
    const text = list === undefined ? textOf(cell!) : JSON.stringify(list)
    const key = list === undefined ? `=${text}` : text
    let position = this.#positions.get(key)
    if (position === undefined) {
      if (this.#values.length === MOST_DIFFERENT) {
        this.#becomeNumbers()
        this.add(cell)
        return
      }
      position = this.#values.length
      this.#positions.set(key, position)
      const number = list === undefined ? numberOf(text) : undefined
      this.#values.push({ text, list, number, count: 0 })
    }
    this.#values[position]!.count++
    this.#rows.push(position)
  }

  column(): LabelColumn {
    if (this.#numbers !== undefined) return { values: [], rows: new Int32Array(0), numbers: this.#numbers.values() }
    return { values: this.#values, rows: this.#rows.values(), numbers: undefined }
  }

  #becomeNumbers(): void {
    const other = this.#values.find(({ number }) => number === undefined)
    if (other !== undefined) throw this.#tooMany(other.text)
    const numbers = new Growing(new Float64Array(0))
    for (let i = 0; i < this.#rows.length; i++) {
      const position = this.#rows.at(i)
      numbers.push(position === -1 ? Number.NaN : this.#values[position]!.number!)
    }
    this.#numbers = numbers
    this.#values = []
    this.#positions.clear()
    this.#rows = new Growing(new Int32Array(0))
  }

  #addNumber(numbers: Growing<Float64Array>, cell: Cell | undefined): void {
    if (isEmpty(cell)) numbers.push(Number.NaN)
    else {
      const text = textOf(cell!)
      const number = numberOf(text)
      if (number === undefined) throw this.#tooMany(text)
      numbers.push(number)
    }
  }

  #tooMany(example: string): GraftError {
    return new GraftError(
      `The labels in ${JSON.stringify(this.#name)} have more than ${MOST_DIFFERENT} different values, such as ${JSON.stringify(example.slice(0, 40))}`,
      { remedy: 'These are no classes: name another column with --label.' },
    )
  }
}

function textOf(cell: Cell): string {
  return typeof cell === 'object' ? JSON.stringify(cell) : String(cell)
}
