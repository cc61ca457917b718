/** Operators that move, cut, join or repeat elements, and those that make shapes. */

import { attr } from '#graft/graph/graph.js'
import { float32, int64, int64Vector } from '#graft/graph/tensor.js'
import { constant, int, ints, list, number, type OperatorCase, plain, scalarInt, use, whole, x } from './case.js'

const reshapes = [
  use('Reshape', [x([2, 3, 4]), ints(4, 6)]),
  use('Reshape', [x([2, 3, 4]), ints(-1)]),
  use('Reshape', [x([2, 3, 4]), ints(0, -1)]),
  use('Reshape', [x([2, 3, 4]), ints(2, 0, 2, 2)]),
  use('Reshape', [x([1]), constant(int64Vector([]))], { note: 'to a scalar' }),
  use('Reshape', [x([]), ints(1, 1)]),
  use('Reshape', [x([0, 3]), ints(3, 0)], { attributes: { allowzero: int(1) } }),
  ...[0, 1, 2, 3, -1].map((axis) => use('Flatten', [x([2, 3, 4])], { attributes: { axis: int(axis) } })),
  use('Flatten', [x([2, 3, 4])]),
  use('Flatten', [x([5])]),
  use('Squeeze', [x([1, 3, 1, 4])]),
  use('Squeeze', [x([1, 3, 1, 4]), ints(2)]),
  use('Squeeze', [x([1, 3, 1, 4]), ints(-2, 0)]),
  use('Unsqueeze', [x([3, 4]), ints(0)]),
  use('Unsqueeze', [x([3, 4]), ints(-1, 1)]),
  use('Unsqueeze', [x([]), ints(0)]),
  use('Transpose', [x([2, 3, 4])]),
  use('Transpose', [x([2, 3, 4])], { attributes: { perm: list(1, 0, 2) } }),
  use('Transpose', [x([2, 3, 1, 5])], { attributes: { perm: list(2, 0, 3, 1) } }),
  use('Transpose', [x([4])]),
]

const joins = [
  use('Concat', [x([2, 3]), x([4, 3])], { attributes: { axis: int(0) } }),
  use('Concat', [x([2, 3, 2]), x([2, 1, 2]), x([2, 4, 2])], { attributes: { axis: int(1) } }),
  use('Concat', [x([2, 3]), x([2, 2])], { attributes: { axis: int(-1) } }),
  use('Concat', [x([3])], { attributes: { axis: int(0) } }),
  use('Concat', [x([2, 3]), x([2, 0]), x([2, 2])], { attributes: { axis: int(1) }, note: 'an empty part' }),
  use('Concat', [x([2, 3]), plain([1, 3], [1, 2, 3])], { attributes: { axis: int(0) } }),
  use('Concat', [whole([2], [5, 6]), whole([3], [7, 8, 9])], { attributes: { axis: int(0) }, note: 'int64' }),
]

const FAR = 2 ** 53 - 1
const slices = [
  use('Slice', [x([5, 6]), ints(1), ints(4), ints(0)]),
  use('Slice', [x([5, 6]), ints(1, 2), ints(4, 6)]),
  use('Slice', [x([5, 6]), ints(-3), ints(-1), ints(-1)]),
  use('Slice', [x([5, 6]), ints(0), ints(FAR), ints(1), ints(2)]),
  use('Slice', [x([5, 7]), ints(1), ints(7), ints(1), ints(3)]),
  use('Slice', [x([5, 6]), ints(-1), ints(-FAR), ints(0), ints(-1)], { note: 'reversed' }),
  use('Slice', [x([5, 7]), ints(5), ints(0), ints(1), ints(-2)]),
  use('Slice', [x([2, 6, 7]), ints(4, -1), ints(0, 0), ints(1, 2), ints(-3, -2)]),
  use('Slice', [x([2, 6, 7]), ints(100, 1), ints(-100, 100), ints(1, 2), ints(-4, 5)], { note: 'clamped' }),
  use('Slice', [x([8]), ints(-100), ints(3)], { note: 'clamped' }),
  use('Slice', [x([4, 3]), ints(2), ints(2), ints(0)], { note: 'empty' }),
  use('Slice', [whole([5], [1, 2, 3, 4, 5]), ints(3), ints(0), ints(0), ints(-2)], { note: 'int64' }),
  use('Split', [x([6, 2])], { attributes: { axis: int(0), num_outputs: int(3) }, outputs: 3 }),
  use('Split', [x([2, 7])], { attributes: { axis: int(-1), num_outputs: int(3) }, outputs: 3 }),
  use('Split', [x([2, 7]), ints(1, 4, 2)], { attributes: { axis: int(1) }, outputs: 3 }),
  use('Split', [x([2, 3, 5]), ints(2, 3)], { attributes: { axis: int(-1) }, outputs: 2 }),
  use('Split', [x([2, 3]), ints(2)], { outputs: 1 }),
  use('Split', [x([2, 5]), ints(0, 3, 0, 2)], { attributes: { axis: int(1) }, outputs: 4, note: 'empty parts' }),
]

const expansions = [
  use('Expand', [x([3, 1]), ints(3, 4)]),
  use('Expand', [x([3, 1]), ints(2, 1, 4)]),
  use('Expand', [x([]), ints(2, 3)]),
  use('Expand', [x([2, 3]), ints(1)]),
  use('Expand', [x([1, 3, 1]), ints(2, 1, 5)]),
]

const gathers = [
  use('Gather', [x([5, 3]), whole([4], [0, 2, 2, 4])], { note: 'repeated' }),
  use('Gather', [x([5, 3]), whole([3], [-1, 1, -5])], { note: 'negative' }),
  use('Gather', [x([2, 5, 3]), whole([2, 3], [0, 4, -1, 4, 4, 1])], { attributes: { axis: int(1) } }),
  use('Gather', [x([2, 5]), whole([3], [4, 0, 4])], { attributes: { axis: int(-1) } }),
  use('Gather', [x([2, 5, 3]), whole([], [2])], { attributes: { axis: int(1) }, note: 'one row' }),
  use('Gather', [x([4, 2]), whole([3], [1, -2, 1], 'int32')], { note: 'int32' }),
  use('Gather', [x([4]), whole([], [-1])]),
  use('Gather', [x([2, 5, 3]), ints(3, 1, -4)], { attributes: { axis: int(1) } }),
  use('Gather', [x([2, 5, 3]), ints(4, 2, 0)], { attributes: { axis: int(1) }, note: 'evenly falling' }),
  use('Gather', [x([2, 5, 3]), ints(1, 2, 3)], { attributes: { axis: int(1) }, note: 'evenly rising' }),
  use('Gather', [x([2, 5, 3]), scalarInt(-1)], { attributes: { axis: int(1) }, note: 'one constant row' }),
  use('Gather', [x([2, 5]), ints(2, 2)], { attributes: { axis: int(1) } }),
  use('Gather', [x([2, 5]), constant(int64([0], []))], { attributes: { axis: int(1) }, note: 'none' }),
  use('Gather', [whole([4], [10, 20, 30, 40]), whole([2], [3, -3])], { note: 'int64' }),
]

const made = [
  use('Shape', [x([2, 3, 4])]),
  use('Shape', [x([2, 3, 4])], { attributes: { start: int(1) } }),
  use('Shape', [x([2, 3, 4])], { attributes: { start: int(-2), end: int(-1) } }),
  use('Shape', [x([2, 3, 4])], { attributes: { start: int(2), end: int(1) } }),
  use('Size', [x([2, 3, 4])]),
  use('ConstantOfShape', [ints(2, 3)]),
  use('ConstantOfShape', [ints(2, 3)], { attributes: { value: attr.tensor(float32([1], [1.5])) } }),
  use('ConstantOfShape', [ints(4)], { attributes: { value: attr.tensor(int64([1], [7])) }, note: 'int64' }),
  use('Range', [scalarInt(2), scalarInt(11), scalarInt(3)]),
  use('Range', [scalarInt(5), scalarInt(-2), scalarInt(-2)]),
  use('Range', [number(0.5), number(2.6), number(0.5)]),
  use('Range', [scalarInt(3), scalarInt(3), scalarInt(1)], { note: 'empty' }),
]

export const movementCases: readonly OperatorCase[] = [
  ...reshapes,
  ...joins,
  ...slices,
  ...expansions,
  ...gathers,
  ...made,
]
