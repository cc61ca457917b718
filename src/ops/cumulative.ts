/** Running sums and products along an axis, which is an input that must be known before running. */
import { attr, intAttribute } from '../graph/graph.js'
import { float32, type Tensor, toNumbers } from '../graph/tensor.js'
import { sameType } from './elementwise.js'
import { reverse } from './emit.js'
import { result, strides } from './fold.js'
import { type Emitter, expanded, normaliseAxis, type Operator, rule } from './operator.js'

/** y[i] = x[i + shift] along the axis (shift < 0), with ones where there is none. */
function shifted(g: Emitter, x: string, axis: number, shift: number): string {
  const rank = g.shape(x).length
  const amounts = (amount: number) => Array.from({ length: rank }, (_, i) => (i === axis ? amount : 0))
  const one = g.constant(float32([], [1]))
  return g.op('Pad', [x, g.ints([...amounts(-shift), ...amounts(shift)]), one], { mode: attr.string('constant') })
}

export const cumulative = {
  CumSum: {
    infer: sameType,
    fold: ([x, at], node, [type]) => {
      const source = x as Tensor
      const axis = normaliseAxis(toNumbers(at as Tensor)[0] as number, source.dims.length, () => 0 as never)
      const exclusive = intAttribute(node, 'exclusive', 0) === 1
      const backwards = intAttribute(node, 'reverse', 0) === 1
      const values = toNumbers(source)
      const step = strides(source.dims)[axis] as number
      const d = source.dims[axis] as number
      const out = new Array<number>(values.length)
      for (let start = 0; start < values.length; start++) {
        if (Math.floor(start / step) % d !== 0) continue
        let sum = 0
        for (let k = 0; k < d; k++) {
          const at = start + (backwards ? d - 1 - k : k) * step
          const before = sum
          sum += values[at] as number
          out[at] = exclusive ? before : sum
        }
      }
      return result(type, out)
    },
    // Each input is part of the sums from itself on: the gradients are summed the other way.
    gradient: rule((c) => {
      const backwards = intAttribute(c.node, 'reverse', 0) === 1
      const attributes = {
        exclusive: attr.int(intAttribute(c.node, 'exclusive', 0)),
        reverse: attr.int(backwards ? 0 : 1),
      }
      return [c.g.op('CumSum', [c.grad(), c.input(1)], attributes), undefined]
    }),
  },
  // Products of runs of 1, 2, 4, ... neighbours: as many steps as the length has bits, and zeros are no special case.
  CumProd: expanded('Mul, Pad', (c) => {
    const { g } = c
    const [x, at] = c.inputs as readonly [string, string]
    const shape = g.shape(x)
    const value = g.valueOf(at)
    if (!value) return c.refuse('multiplies along an axis that is computed from the data')
    const axis = normaliseAxis(toNumbers(value)[0] as number, shape.length, c.refuse)
    const backwards = intAttribute(c.node, 'reverse', 0) === 1
    let y = backwards ? reverse(g, x, axis) : x
    if (intAttribute(c.node, 'exclusive', 0) === 1) y = shifted(g, y, axis, -1)
    for (let run = 1; run < (shape[axis] as number); run *= 2) y = g.op('Mul', [y, shifted(g, y, axis, -run)])
    return [backwards ? reverse(g, y, axis) : y]
  }),
} as const satisfies Record<string, Operator>
