/** Features of several domains as points of a plane, all in one map. */
import { UMAP } from 'umap-js'
import { type Matrix, row } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { principalAxes, project } from '../shift/principalAxes.js'

export interface Place {
  readonly x: number
  readonly y: number
}

/** Neighbours that UMAP keeps together (McInnes, Healy, Melville 2018, section 5). */
const NEIGHBOURS = 15
/** Principal components that UMAP sees: distances in hundreds of dimensions are noise and cost time. */
const COMPONENTS = 50

/** The two axes along which the samples vary most: distances are true as far as two axes can show them. */
export function principalMap(features: Matrix, random: Random): Place[] {
  const flat = project(features, principalAxes(features, { count: 2, random }))
  return Array.from({ length: flat.rows }, (_, i) => ({ x: row(flat, i)[0] ?? 0, y: row(flat, i)[1] ?? 0 }))
}

/**
 * Neighbours are kept together; distances between groups say little (McInnes, Healy, Melville 2018, UMAP: Uniform Manifold
 * Approximation and Projection for Dimension Reduction, arXiv 1802.03426). By umap-js, its random numbers drawn from `random`.
 *
 * @returns undefined for fewer than 8 samples, which have no neighbourhoods
 */
export function neighbourMap(features: Matrix, random: Random): Place[] | undefined {
  if (features.rows < 8) return undefined
  const reduced = project(features, principalAxes(features, { count: COMPONENTS, random: random.fork('axes') }))
  const draws = random.fork('umap')
  const umap = new UMAP({
    nComponents: 2,
    nNeighbors: Math.min(NEIGHBOURS, features.rows - 1),
    minDist: 0.15,
    random: () => draws.uniform(),
  })
  const rows = Array.from({ length: reduced.rows }, (_, i) => Array.from(row(reduced, i)))
  return umap.fit(rows).map(([x = 0, y = 0]) => ({ x, y }))
}
