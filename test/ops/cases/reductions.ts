/** Reductions and softmax. */

import { int64Vector } from '#graft/graph/tensor.js'
import { among, avoiding, between, type Draw, normal, spaced } from '../../support/draw.js'
import { constant, int, ints, type OperatorCase, plain, use, whole, x } from './case.js'

const reduce = (opType: string, draw: Draw = normal): OperatorCase[] => [
  use(opType, [x([2, 3, 4], draw), ints(1)]),
  use(opType, [x([2, 3, 4], draw), ints(0, 2)], { attributes: { keepdims: int(0) } }),
  use(opType, [x([2, 3, 5], draw), ints(-1)], { attributes: { keepdims: int(0) } }),
  use(opType, [x([2, 3], draw)]),
  use(opType, [x([5], draw)], { attributes: { keepdims: int(0) } }),
  use(opType, [x([3, 1, 2], draw), ints(1)]),
  use(opType, [x([2, 3], draw), constant(int64Vector([]))], { note: 'no axes' }),
]

const untouched = (opType: string, draw: Draw = normal): OperatorCase =>
  use(opType, [x([2, 3], draw)], { attributes: { noop_with_empty_axes: int(1) } })

const softmax = ['Softmax', 'LogSoftmax'].flatMap((opType) => [
  use(opType, [x([3, 5])]),
  use(opType, [x([2, 3, 4])], { attributes: { axis: int(0) } }),
  use(opType, [x([2, 3, 4])], { attributes: { axis: int(1) } }),
  use(opType, [x([2, 3, 4])], { attributes: { axis: int(-1) } }),
  use(opType, [x([6])]),
  use(opType, [plain([2, 3], [1e4, 0, -1e4, 3e4, 3e4, 0])], { note: 'extreme' }),
])

const hard = [
  use('Hardmax', [x([3, 5], spaced())]),
  use('Hardmax', [x([2, 3, 4], spaced())], { attributes: { axis: int(1) } }),
  use('Hardmax', [plain([2, 3], [1, 5, 5, 0, 0, 0])], { note: 'ties' }),
]

const arguments_ = ['ArgMax', 'ArgMin'].flatMap((opType) => [
  use(opType, [x([2, 3, 4], spaced())]),
  use(opType, [x([2, 3, 4], spaced())], { attributes: { axis: int(-1), keepdims: int(0) } }),
  use(opType, [plain([2, 3], [1, 5, 5, 0, 0, 2])], { attributes: { axis: int(1), select_last_index: int(1) } }),
])

const awayFromZero = among([-2, -0.5], [0.5, 2])

export const reductionCases: readonly OperatorCase[] = [
  ...reduce('ReduceSum'),
  untouched('ReduceSum'),
  use('ReduceSum', [whole([2, 3], [1, 2, 3, 4, 5, -6]), ints(1)], { note: 'int64' }),
  ...reduce('ReduceMean'),
  untouched('ReduceMean'),
  ...reduce('ReduceMax', spaced()),
  untouched('ReduceMax', spaced()),
  use('ReduceMax', [whole([2, 3], [1, 2, 3, 4, 5, -6]), ints(1)], { note: 'int64' }),
  ...reduce('ReduceMin', spaced()),
  untouched('ReduceMin', spaced()),
  ...reduce('ReduceProd', awayFromZero),
  untouched('ReduceProd', awayFromZero),
  use(
    'ReduceProd',
    [x([3, 3], (random, size) => awayFromZero(random, size).map((v, i) => (i % 4 === 1 ? 0 : v))), ints(1)],
    {
      note: 'zeros',
    },
  ),
  use('ReduceProd', [x([2, 3], (random, size) => awayFromZero(random, size).map((v, i) => (i < 2 ? 0 : v))), ints(1)], {
    note: 'several zeros',
  }),
  use('ReduceProd', [whole([4], [1, 2, 3, 4]), ints(0)], { attributes: { keepdims: int(0) }, note: 'int64' }),
  ...reduce('ReduceSumSquare'),
  untouched('ReduceSumSquare'),
  ...reduce('ReduceL1', avoiding(0)),
  untouched('ReduceL1', avoiding(0)),
  ...reduce('ReduceL2', awayFromZero),
  untouched('ReduceL2', awayFromZero),
  ...reduce('ReduceLogSum', between(0.3, 2)),
  untouched('ReduceLogSum', between(0.3, 2)),
  ...reduce('ReduceLogSumExp'),
  untouched('ReduceLogSumExp'),
  ...softmax,
  ...hard,
  ...arguments_,
]
