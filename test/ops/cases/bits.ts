/** Operators on the bits of integers. */
import { float32 } from '#graft/graph/tensor.js'
import { constant, int, type OperatorCase, text, use, whole, x } from './case.js'

const unsigned = (values: readonly number[]) =>
  ({ kind: 'feed', tensor: { type: 'uint8', dims: [values.length], data: Uint8Array.from(values) } }) as const

export const bitCases: readonly OperatorCase[] = [
  ...['BitwiseAnd', 'BitwiseOr', 'BitwiseXor'].flatMap((opType) => [
    use(opType, [whole([2, 3], [1, 2, 3, -4, 5, 255]), whole([3], [7, 6, -3])]),
    use(opType, [unsigned([1, 200, 77]), unsigned([15])]),
  ]),
  use('BitwiseNot', [whole([4], [0, -1, 5, 1000])]),
  use('BitwiseNot', [unsigned([0, 1, 200])]),
  ...['LEFT', 'RIGHT'].map((direction) =>
    use('BitShift', [unsigned([1, 200, 77]), unsigned([1, 3, 0])], { attributes: { direction: text(direction) } }),
  ),
  use('BitCast', [x([3])], { opset: 26, attributes: { to: int(1) }, expected: [] }),
  use('BitCast', [x([2, 3])], { opset: 26, attributes: { to: int(1) }, expected: [] }),
  use('BitCast', [constant(float32([4], [0, 1, -2, 0.5]))], {
    opset: 26,
    attributes: { to: int(6) },
    expected: [[0, 0x3f800000, 0xc0000000 - 2 ** 32, 0x3f000000]],
  }),
]
