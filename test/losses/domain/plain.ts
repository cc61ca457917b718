/** Plain arrays in double precision: the other witness of the losses of domain adaptation. */
import { floats, type HostTensor } from '#graft/runtime/types.js'

export type Rows = readonly (readonly number[])[]

export const tensorOf = (rows: Rows): HostTensor =>
  floats([rows.length, rows[0]!.length], Float32Array.from(rows.flat()))
export const vectorOf = (values: readonly number[]): HostTensor => floats([values.length], Float32Array.from(values))
export const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
export const mean = (values: readonly number[]): number => sum(values) / values.length
export const columnsOf = (rows: Rows): number[][] => rows[0]!.map((_, j) => rows.map((row) => row[j]!))
export const dot = (a: readonly number[], b: readonly number[]): number => sum(a.map((v, i) => v * b[i]!))

export function softmax(z: readonly number[]): number[] {
  const top = Math.max(...z)
  const powers = z.map((v) => Math.exp(v - top))
  return powers.map((p) => p / sum(powers))
}

export function logSoftmax(z: readonly number[]): number[] {
  const top = Math.max(...z)
  const log = top + Math.log(sum(z.map((v) => Math.exp(v - top))))
  return z.map((v) => v - log)
}

/** - sum of p log p, where p may be 0. */
export const entropy = (p: readonly number[]): number => -sum(p.map((v) => (v > 0 ? v * Math.log(v) : 0)))

/** Singular values in descending order, by one-sided Jacobi rotations of the columns. */
export function singularValues(rows: Rows): number[] {
  const columns = (rows.length >= rows[0]!.length ? columnsOf(rows) : rows).map((column) => [...column])
  for (let sweep = 0; sweep < 60; sweep++)
    for (let i = 0; i < columns.length; i++)
      for (let j = i + 1; j < columns.length; j++) {
        const [a, b] = [columns[i]!, columns[j]!]
        const off = dot(a, b)
        if (off === 0) continue
        const angle = 0.5 * Math.atan2(2 * off, dot(a, a) - dot(b, b))
        const [c, s] = [Math.cos(angle), Math.sin(angle)]
        columns[i] = a.map((v, k) => c * v + s * b[k]!)
        columns[j] = b.map((v, k) => c * v - s * a[k]!)
      }
  return columns.map((column) => Math.sqrt(dot(column, column))).sort((a, b) => b - a)
}
