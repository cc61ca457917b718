/** The last rows of a stream of matrices. */
import { type Matrix, matrix } from '../../base/matrix.js'

export class RecentRows {
  readonly #most: number
  #kept: Matrix | undefined

  constructor(most: number) {
    this.#most = most
  }

  /** The kept rows with these after them, as many of the last as may be kept, and all of these. */
  with(rows: Matrix): Matrix {
    const kept = this.#kept
    if (kept === undefined) return rows
    const old = Math.max(0, Math.min(kept.rows, this.#most - rows.rows))
    const all = matrix(old + rows.rows, rows.columns)
    all.data.set(kept.data.subarray((kept.rows - old) * kept.columns))
    all.data.set(rows.data, old * rows.columns)
    return all
  }

  add(rows: Matrix): void {
    const all = this.with(rows)
    const first = Math.max(0, all.rows - this.#most)
    this.#kept = matrix(all.rows - first, all.columns, all.data.slice(first * all.columns))
  }

  /** The kept rows, the last one last; undefined where there are none. */
  get rows(): Matrix | undefined {
    return this.#kept
  }

  clear(): void {
    this.#kept = undefined
  }
}
