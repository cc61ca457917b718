/** Rows of two matrices under each other, and the scale of their columns. */
import { columnMeans } from '../../base/linearAlgebra.js'
import { type Matrix, matrix } from '../../base/matrix.js'

/** The rows of a, then the rows of b. */
export function stackRows(a: Matrix, b: Matrix): Matrix {
  if (a.columns !== b.columns) throw new RangeError(`rows of ${a.columns} and of ${b.columns} numbers do not stack`)
  const out = matrix(a.rows + b.rows, a.columns)
  out.data.set(a.data)
  out.data.set(b.data, a.data.length)
  return out
}

export interface ColumnScale {
  readonly mean: Float64Array
  /** Standard deviation (divided by N), never 0. */
  readonly deviation: Float64Array
}

/**
 * Mean and standard deviation of each column. A column that hardly varies has the deviation raised by `floor` times the mean
 * deviation of all columns, so that its noise is not blown up.
 */
export function columnScale(m: Matrix, floor = 1e-3): ColumnScale {
  const mean = columnMeans(m)
  const square = new Float64Array(m.columns)
  for (let i = 0; i < m.rows; i++)
    for (let j = 0; j < m.columns; j++) square[j] = square[j]! + (m.data[i * m.columns + j]! - mean[j]!) ** 2
  const deviation = square.map((s) => Math.sqrt(s / Math.max(1, m.rows)))
  const typical = deviation.reduce((sum, d) => sum + d, 0) / Math.max(1, m.columns)
  return { mean, deviation: deviation.map((d) => d + floor * typical || 1) }
}

/** (x - mean) / deviation by column. */
export function scaledRows(m: Matrix, { mean, deviation }: ColumnScale): Matrix {
  const out = matrix(m.rows, m.columns)
  for (let i = 0; i < m.rows; i++)
    for (let j = 0; j < m.columns; j++) {
      const at = i * m.columns + j
      out.data[at] = (m.data[at]! - mean[j]!) / deviation[j]!
    }
  return out
}
