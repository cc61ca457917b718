import { type Matrix, takeRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'

/** At most `limit` of 0 ... n - 1, drawn without replacement, ascending. */
export function someIndices(n: number, limit: number, random: Random): Int32Array {
  return n <= limit ? Int32Array.from({ length: n }, (_, i) => i) : random.permutation(n).slice(0, limit).sort()
}

/** At most `limit` rows, drawn without replacement, in their order. */
export function someRows(m: Matrix, limit: number, random: Random): Matrix {
  return m.rows <= limit ? m : takeRows(m, someIndices(m.rows, limit, random))
}
