/** Operators on shapes: known before running, so that exporters' shape arithmetic folds away. */
import { intAttribute } from '../graph/graph.js'
import { int64Vector, sizeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import { result } from './fold.js'
import { none, type Operator } from './operator.js'

export const shapes = {
  Shape: {
    infer: (c) => {
      const rank = c.shape(0).length
      const from = clampAxis(intAttribute(c.node, 'start', 0), rank)
      const to = clampAxis(intAttribute(c.node, 'end', rank), rank)
      return [{ type: 'int64', shape: [Math.max(0, to - from)] }]
    },
    // Known from the input's type alone: the reader of the graph replaces it by a constant.
    upgrade: (c) => {
      const shape = c.g.shape(c.inputs[0] as string)
      const from = clampAxis(intAttribute(c.node, 'start', 0), shape.length)
      const to = clampAxis(intAttribute(c.node, 'end', shape.length), shape.length)
      return [c.g.constant(int64Vector(shape.slice(from, to)))]
    },
    gradient: none('the output is a shape'),
  },
  Size: {
    infer: () => [{ type: 'int64', shape: [] }],
    upgrade: (c) => [
      c.g.constant({
        type: 'int64',
        dims: [],
        data: BigInt64Array.of(BigInt(sizeOf(c.g.shape(c.inputs[0] as string)))),
      }),
    ],
    gradient: none('the output is a count'),
  },
  ConstantOfShape: {
    infer: (c) => {
      const value = c.node.attributes.get('value')
      return [{ type: value?.kind === 'tensor' ? value.value.type : 'float32', shape: c.numbers(0) }]
    },
    fold: (_inputs, node, [type]) => {
      const value = node.attributes.get('value')
      const fill = value?.kind === 'tensor' ? (toNumbers(value.value)[0] as number) : 0
      return result(type, new Array<number>(sizeOf(type?.shape ?? [])).fill(fill))
    },
    gradient: none('made from a shape'),
  },
  Range: {
    infer: (c) => {
      const [start, limit, delta] = [c.numbers(0)[0] as number, c.numbers(1)[0] as number, c.numbers(2)[0] as number]
      return [{ type: c.type(0).type, shape: [Math.max(0, Math.ceil((limit - start) / delta))] }]
    },
    fold: ([start, , delta], _node, [type]) => {
      const [s, d] = [toNumbers(start as Tensor)[0] as number, toNumbers(delta as Tensor)[0] as number]
      return result(
        type,
        Array.from({ length: type?.shape[0] ?? 0 }, (_, i) => s + i * d),
      )
    },
    gradient: none('made from constants'),
  },
} as const satisfies Record<string, Operator>

function clampAxis(axis: number, rank: number): number {
  return Math.min(Math.max(axis < 0 ? axis + rank : axis, 0), rank)
}
