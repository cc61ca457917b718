/** How much each source sample would count if the source had the target's distribution: w(x) = p_target(x) / p_source(x). */
import type { Matrix } from '../../../base/matrix.js'
import type { Random } from '../../../base/random.js'
import { principalAxes, project } from '../../../evaluate/shift/principalAxes.js'
import { columnScale, scaledRows, stackRows } from '../../../evaluate/shift/rows.js'

export interface ImportanceOptions {
  readonly random: Random
  /** Principal components of both sets together in which densities are compared. @default 32 */
  readonly components?: number | undefined
}

/**
 * Weights of the source rows, (N), not negative, of mean 1.
 *
 * @param source (N, D)
 * @param target (M, D)
 */
export type ImportanceEstimator = (source: Matrix, target: Matrix, options: ImportanceOptions) => Float64Array

/** Both sets along the leading principal components of the two together, columns standardised before. */
export function commonCoordinates(
  source: Matrix,
  target: Matrix,
  { random, components = 32 }: ImportanceOptions,
): { source: Matrix; target: Matrix } {
  const joined = stackRows(source, target)
  const scaled = scaledRows(joined, columnScale(joined))
  const axes = principalAxes(scaled, { count: components, random: random.fork('importance-axes') })
  const { columns, data } = project(scaled, axes)
  const cut = source.rows * columns
  return {
    source: { rows: source.rows, columns, data: data.subarray(0, cut) },
    target: { rows: target.rows, columns, data: data.subarray(cut) },
  }
}

/** The same weights with a mean of 1; all 1 where every one of them is 0. */
export function withMeanOne(weights: Float64Array): Float64Array {
  const total = weights.reduce((sum, w) => sum + w, 0)
  return total > 0 ? weights.map((w) => (w * weights.length) / total) : weights.map(() => 1)
}

/** (sum w)^2 / sum w^2: of how many equally weighted samples a mean with these weights is worth (Kish 1965). */
export function effectiveSamples(weights: ArrayLike<number>): number {
  let sum = 0
  let squares = 0
  for (let i = 0; i < weights.length; i++) {
    sum += weights[i]!
    squares += weights[i]! ** 2
  }
  return squares > 0 ? (sum * sum) / squares : 0
}
