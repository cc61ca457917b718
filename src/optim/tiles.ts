/**
 * Large weights in pieces. An update is a chain of element-wise operators, each a pass over memory; on a piece that stays in the
 * processor's cache only what comes in and goes out is such a pass.
 */
import { sizeOf } from '../graph/tensor.js'

/** Elements from which cutting pays. */
const LARGE = 1 << 19
/** Elements of a piece: what the chain holds of it stays in the processor's cache, and there is work for several threads. */
const MOST = 1 << 17
/** Below this an iteration costs more than it spares. */
const LEAST = 1 << 14

/** (pieces, elements of a piece) for a weight of these dimensions; undefined where it is left whole. */
export function tilesOf(dims: readonly number[]): readonly [pieces: number, elements: number] | undefined {
  const size = sizeOf(dims)
  if (size < LARGE) return undefined
  for (let elements = MOST; elements >= LEAST; elements--) if (size % elements === 0) return [size / elements, elements]
  return undefined
}
