/** Arithmetic. */
import { ELEMENT_TYPES, float32 } from '#graft/graph/tensor.js'
import { among, avoiding, between, type Draw, normal, spaced } from '../../support/draw.js'
import {
  type CaseOptions,
  constant,
  int,
  number,
  type OperatorCase,
  omitted,
  plain,
  scalarInt,
  truth,
  use,
  whole,
  x,
} from './case.js'

/** Pairs of shapes: equal, broadcast on either side, scalars, rank 0. */
const PAIRS: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [3, 4],
    [3, 4],
  ],
  [[2, 3, 5], [5]],
  [
    [2, 1, 4],
    [3, 1],
  ],
  [[], [3]],
  [[7], []],
  [
    [1, 1],
    [2, 3],
  ],
  [[], []],
]

export const pairs = (
  opType: string,
  first: Draw = normal,
  second: Draw = first,
  options: CaseOptions = {},
): OperatorCase[] => PAIRS.map(([a, b]) => use(opType, [x(a, first), x(b, second)], options))

export const unary = (
  opType: string,
  draw: Draw = normal,
  ...settings: NonNullable<CaseOptions['attributes']>[]
): OperatorCase[] =>
  [{}, ...settings].flatMap((attributes) =>
    [[7], [2, 3, 5], []].map((dims) => use(opType, [x(dims, draw)], { attributes })),
  )

const awayFromZero = among([-2, -0.4], [0.4, 2])
/** Quotients by a number in [1.9, 2.1] lie between whole numbers. */
const betweenMultiples = among([-3.4, -2.6], [-1.4, -0.5], [0.5, 1.4], [2.6, 3.4])
const fmod = { attributes: { fmod: int(1) } }

const arithmetic = [
  ...pairs('Add'),
  use('Add', [whole([2, 3], [1, -2, 3, 4, 5, -6]), whole([3], [7, 8, -9])], { note: 'int64' }),
  use('Add', [whole([3], [1, -2, 3], 'int32'), whole([3], [7, 8, -9], 'int32')], { note: 'int32' }),
  ...pairs('Sub'),
  use('Sub', [whole([3], [1, -2, 3]), whole([], [7])], { note: 'int64' }),
  ...pairs('Mul'),
  use('Mul', [whole([3], [1, -2, 3]), whole([3], [7, 8, -9])], { note: 'int64' }),
  ...pairs('Div', normal, awayFromZero),
  use('Div', [whole([6], [7, -7, 7, -7, 0, 6]), whole([6], [2, 2, -2, -2, 3, 3])], { note: 'int64 truncates' }),
  ...pairs('Pow', between(0.4, 2), between(-2, 2)),
  use('Pow', [x([2, 5], awayFromZero), number(2)]),
  use('Pow', [x([2, 5], awayFromZero), number(3)]),
  use('Pow', [x([2, 5], awayFromZero), number(1)]),
  use('Pow', [x([2, 5], awayFromZero), constant(float32([5], [2, 0, 1, 3, -1]))], { note: 'an exponent of zero' }),
  use('Pow', [x([7], awayFromZero), scalarInt(2)], { note: 'int64 exponent' }),
  use('Pow', [x([7], between(0.4, 2)), number(-0.5)]),
  use('Pow', [x([4], awayFromZero), plain([4], [2, 3, -1, -2])], { note: 'negative base' }),
  use('Pow', [whole([3], [2, -3, 5]), whole([3], [3, 2, 0])], { note: 'int64' }),
  ...pairs('Mod', betweenMultiples, between(1.9, 2.1), fmod),
  use('Mod', [whole([6], [7, -7, 7, -7, 0, 6]), whole([6], [3, 3, -3, -3, 3, 3])], { note: 'int64' }),
  use('Mod', [whole([4], [7, -7, 7, -7]), whole([4], [3, 3, -3, -3])], { attributes: { fmod: int(1) }, note: 'int64' }),
  use('Mod', [scalarInt(-7), scalarInt(3)], { attributes: { fmod: int(1) }, note: 'constant' }),
]

const several = ['Max', 'Min'].flatMap((opType) => [
  use(opType, [x([2, 5], spaced())]),
  ...pairs(opType, spaced(0), spaced(0.05)),
  use(opType, [x([2, 3, 4], spaced(0)), x([3, 1], spaced(0.05)), x([4], spaced(0.1))]),
  use(opType, [whole([3], [1, 9, 3]), whole([3], [7, 8, -9])], { note: 'int64' }),
])

const sums = ['Sum', 'Mean'].flatMap((opType) => [
  use(opType, [x([2, 5])]),
  ...pairs(opType),
  use(opType, [x([2, 3, 4]), x([3, 1]), x([4])]),
])

const functions = [
  ...unary('Neg'),
  use('Neg', [whole([3], [1, -2, 0])], { note: 'int64' }),
  ...unary('Abs', avoiding(0)),
  use('Abs', [whole([3], [1, -2, 0])], { note: 'int64' }),
  ...unary('Sqrt', between(0.3, 3)),
  ...unary('Exp'),
  ...unary('Log', between(0.3, 3)),
  ...unary('Reciprocal', awayFromZero),
  ...unary('Erf'),
  ...unary('Identity'),
  ...unary('Dropout'),
  ...['Floor', 'Ceil', 'Round'].flatMap((opType) =>
    unary(opType, among([-1.9, -1.6], [-1.4, -1.1], [0.1, 0.4], [0.6, 0.9], [1.1, 1.4])),
  ),
  ...['Floor', 'Ceil', 'Round'].map((opType) =>
    use(opType, [plain([9], [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3, -1, 0])], { note: 'halves' }),
  ),
  ...unary('Sign', avoiding(0)),
  use('Sign', [plain([3], [-2, 0, 3])], { note: 'zero' }),
]

const bounded = avoiding(-1, 1.5)
const clips = [
  use('Clip', [x([2, 3, 5], bounded), number(-1), number(1.5)]),
  use('Clip', [x([9], bounded), number(-1)]),
  use('Clip', [x([9], bounded), omitted, number(1.5)]),
  use('Clip', [x([9], bounded)]),
  use('Clip', [x([], bounded), number(-1), number(1.5)]),
  use('Clip', [x([2, 3, 5], bounded), x([], between(-1.02, -0.98)), x([], between(1.48, 1.52))], {
    note: 'bounds train',
  }),
  use('Clip', [x([9], bounded), x([], between(-1.02, -0.98))], { note: 'a bound trains' }),
  use('Clip', [x([9], bounded), omitted, x([], between(1.48, 1.52))], { note: 'a bound trains' }),
  use('Clip', [x([9], bounded), x([], between(1.9, 2.1)), x([], between(-1.6, -1.4))], { note: 'bounds cross' }),
]

const tensorOf = (value: number) => ({ kind: 'int', value }) as const
const casts = [
  ...[[7], [2, 3]].map((dims) => use('Cast', [x(dims)], { attributes: { to: tensorOf(ELEMENT_TYPES.float32) } })),
  ...(['int64', 'int32', 'uint8', 'bool'] as const).map((type) =>
    use('Cast', [plain([5], [0, 0.4, 1.5, 2.9, 7])], {
      attributes: { to: tensorOf(ELEMENT_TYPES[type]) },
      note: `float32 to ${type}`,
    }),
  ),
  use('Cast', [plain([3], [-0.6, -1.5, -2.9])], {
    attributes: { to: tensorOf(ELEMENT_TYPES.int64) },
    note: 'negative floats to int64',
  }),
  use('Cast', [whole([3], [0, -2, 5])], {
    attributes: { to: tensorOf(ELEMENT_TYPES.float32) },
    note: 'int64 to float32',
  }),
  use('Cast', [whole([3], [0, -2, 5])], { attributes: { to: tensorOf(ELEMENT_TYPES.bool) }, note: 'int64 to bool' }),
  use('Cast', [truth([5])], { attributes: { to: tensorOf(ELEMENT_TYPES.float32) }, note: 'bool to float32' }),
  ...[[3], [2, 4]].map((dims) => use('CastLike', [x(dims), plain([1], [0])])),
  use('CastLike', [whole([3], [0, -2, 5]), plain([1], [0])]),
]

export const elementwiseCases: readonly OperatorCase[] = [
  ...arithmetic,
  ...several,
  ...sums,
  ...functions,
  ...clips,
  ...casts,
]
