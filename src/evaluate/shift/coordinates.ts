/** Features in the coordinates of their leading principal axes. */
import { type Matrix, matrix, row } from '../../base/matrix.js'
import { type PrincipalAxes, project } from './principalAxes.js'

/** Coordinates along the axes, and the length of what they leave out as the last column, (N, K + 1). */
export function coordinatesOf(features: Matrix, axes: PrincipalAxes): Matrix {
  const inside = project(features, axes)
  const k = inside.columns
  const out = matrix(features.rows, k + 1)
  for (let i = 0; i < features.rows; i++) {
    const x = row(features, i)
    let square = 0
    for (let j = 0; j < x.length; j++) square += (x[j]! - axes.mean[j]!) ** 2
    const z = row(inside, i)
    for (const v of z) square -= v * v
    out.data.set(z, i * (k + 1))
    out.data[i * (k + 1) + k] = Math.sqrt(Math.max(0, square))
  }
  return out
}

/** A copy of one column. */
export function column(m: Matrix, j: number): Float64Array {
  return Float64Array.from({ length: m.rows }, (_, i) => m.data[i * m.columns + j]!)
}
