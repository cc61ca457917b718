/** Rotary position embedding (Su et al. 2021): pairs of features turned by angles whose cosines and sines are given. */
import { attr } from '../../graph/graph.js'
import { reshape, slice } from '../emit.js'
import type { Emitter } from '../operator.js'

export interface Rotation {
  /** (B, S, N, D), or (B, N, S, D) where heads come first. */
  readonly x: string
  readonly headsFirst: boolean
  /** Cosines and sines of the angles, (B or 1, S, R / 2): the first R features are turned, the rest stay. */
  readonly cos: string
  readonly sin: string
  /** Whether pairs are neighbours; otherwise the halves are paired. */
  readonly interleaved: boolean
}

export function rotate(g: Emitter, { x, headsFirst, cos, sin, interleaved }: Rotation): string {
  const shape = g.shape(x)
  const [samples, length, pairs] = g.shape(cos) as readonly [number, number, number]
  const angles = (value: string) =>
    reshape(g, value, headsFirst ? [samples, 1, length, pairs] : [samples, length, 1, pairs])
  const [c, s] = [angles(cos), angles(sin)]
  const turned = slice(g, x, 3, 0, 2 * pairs)
  const outer = shape.slice(0, 3)
  const part = (k: 0 | 1) =>
    interleaved
      ? reshape(g, slice(g, reshape(g, turned, [...outer, pairs, 2]), 4, k, k + 1), [...outer, pairs])
      : slice(g, turned, 3, k * pairs, (k + 1) * pairs)
  const [a, b] = [part(0), part(1)]
  const real = g.op('Sub', [g.op('Mul', [a, c]), g.op('Mul', [b, s])])
  const imaginary = g.op('Add', [g.op('Mul', [a, s]), g.op('Mul', [b, c])])
  const column = (value: string) => reshape(g, value, [...outer, pairs, 1])
  const joined = interleaved
    ? reshape(g, g.op('Concat', [column(real), column(imaginary)], { axis: attr.int(4) }), [...outer, 2 * pairs])
    : g.op('Concat', [real, imaginary], { axis: attr.int(3) })
  if (2 * pairs === shape[3]) return joined
  return g.op('Concat', [joined, slice(g, x, 3, 2 * pairs, shape[3] as number)], { axis: attr.int(3) })
}
