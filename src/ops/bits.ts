/** Operators on the bits of integers. Nothing here has a derivative. */
import { intAttribute, stringAttribute } from '../graph/graph.js'
import { type ElementType, elementTypeOf, type Tensor, type TensorData, toNumbers } from '../graph/tensor.js'
import { inferBroadcast, sameType } from './elementwise.js'
import { binaryFold, result, unaryFold } from './fold.js'
import { expanded, none, type Operator } from './operator.js'

/** Whole numbers of up to 53 bits, which is all that other constants hold. */
const bitwise = (f: (x: bigint, y: bigint) => bigint): Operator => ({
  infer: inferBroadcast,
  fold: binaryFold((x, y) => Number(f(BigInt(x), BigInt(y)))),
  gradient: none('the output is an integer'),
})

type View = (new (buffer: ArrayBufferLike) => TensorData) & { readonly BYTES_PER_ELEMENT: number }

const VIEWS: Partial<Record<ElementType, View>> = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
}

const WIDTHS: Readonly<Record<string, number>> = { uint8: 8, uint16: 16, uint32: 32, uint64: 64 }

export const bits = {
  BitwiseAnd: bitwise((x, y) => x & y),
  BitwiseOr: bitwise((x, y) => x | y),
  BitwiseXor: bitwise((x, y) => x ^ y),
  BitwiseNot: {
    infer: sameType,
    fold: ([x], _node, [type]) => {
      const width = WIDTHS[type?.type ?? '']
      if (width === undefined) return unaryFold((v) => Number(~BigInt(v)))([x], _node, type ? [type] : [])
      return result(
        type,
        toNumbers(x as Tensor).map((v) => Number(BigInt.asUintN(width, ~BigInt(v)))),
      )
    },
    gradient: none('the output is an integer'),
  },
  BitShift: {
    infer: inferBroadcast,
    fold: (inputs, node, types) => {
      const left = stringAttribute(node, 'direction', 'LEFT') === 'LEFT'
      const width = WIDTHS[types[0]?.type ?? ''] ?? 64
      const shift = (x: bigint, by: bigint) => (left ? BigInt.asUintN(width, x << by) : x >> by)
      return binaryFold((x, y) => Number(shift(BigInt(x), BigInt(y))))(inputs, node, types)
    },
    gradient: none('the output is an integer'),
  },
  // Of opset 26, so that none can stand in a program: read where the value is known.
  BitCast: expanded('a constant', (c) => {
    const [x] = c.inputs as readonly [string]
    const type = elementTypeOf(intAttribute(c.node, 'to', 0))
    if (type === c.g.typeOf(x).type) return [x]
    const value = c.g.valueOf(x)
    const View = type && VIEWS[type]
    if (!value || !type || !View || View.BYTES_PER_ELEMENT !== value.data.BYTES_PER_ELEMENT)
      return c.refuse('reinterprets the bits of a value that is not known before running')
    const bytes = value.data.slice()
    return [c.g.constant({ type, dims: value.dims, data: new View(bytes.buffer) })]
  }),
} as const satisfies Record<string, Operator>
