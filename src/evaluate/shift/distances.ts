/** Squared Euclidean distances between the rows of matrices. */
import { type Matrix, row } from '../../base/matrix.js'

/** |a_i - b_j|², (N, M) row-major; of one matrix with itself where b is left out. Never below 0. */
export function squaredDistances(a: Matrix, b: Matrix = a): Float32Array {
  if (a.columns !== b.columns) throw new RangeError(`rows of ${a.columns} and of ${b.columns} numbers have no distance`)
  const out = new Float32Array(a.rows * b.rows)
  const same = a === b
  for (let i = 0; i < a.rows; i++) {
    const x = row(a, i)
    for (let j = same ? i + 1 : 0; j < b.rows; j++) {
      const y = row(b, j)
      let sum = 0
      for (let k = 0; k < x.length; k++) {
        const gap = x[k]! - y[k]!
        sum += gap * gap
      }
      out[i * b.rows + j] = sum
      if (same) out[j * b.rows + i] = sum
    }
  }
  return out
}
