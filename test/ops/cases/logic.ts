/** Comparisons, truth values, selection. */
import { spaced } from '../../support/draw.js'
import { int, type OperatorCase, plain, truth, use, whole, x } from './case.js'

const comparisons = ['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'].flatMap((opType) => [
  use(opType, [x([2, 3, 4], spaced(0)), x([4], spaced(0.05))]),
  use(opType, [plain([3, 1], [1, 2, 3]), plain([3], [1, 2, 3])], { note: 'ties' }),
  use(opType, [whole([4], [1, 2, 3, -4]), whole([], [2])], { note: 'int64' }),
])

const connectives = ['And', 'Or', 'Xor'].flatMap((opType) => [
  use(opType, [truth([2, 3]), truth([2, 3], 0b1100101)]),
  use(opType, [truth([2, 3]), truth([3], 0b011)]),
])

const odd = plain([6], [Number.NaN, 1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -3])

export const logicCases: readonly OperatorCase[] = [
  ...comparisons,
  use('Equal', [truth([2, 3]), truth([2, 3], 0b1100101)], { note: 'bool' }),
  ...connectives,
  use('Not', [truth([2, 3])]),
  use('IsNaN', [odd]),
  use('IsInf', [odd]),
  use('IsInf', [odd], { attributes: { detect_negative: int(0) } }),
  use('IsInf', [odd], { attributes: { detect_positive: int(0) } }),
  use('Where', [truth([2, 3, 4]), x([2, 3, 4]), x([2, 3, 4])]),
  use('Where', [truth([3, 1]), x([4]), x([2, 1, 1])]),
  use('Where', [truth([2, 4]), x([]), x([2, 4])]),
  use('Where', [truth([2, 3, 4]), x([1, 4]), x([3, 1])]),
  use('Where', [truth([4]), x([4]), plain([], [-1e9])], { note: 'a mask' }),
  use('Where', [truth([4]), whole([4], [1, 2, 3, 4]), whole([], [0])], { note: 'int64' }),
]
