/** Operators that read and write at positions, and those that choose by value or condition. */
import { attr } from '#graft/graph/graph.js'
import { float32, int64 } from '#graft/graph/tensor.js'
import { among, between, spaced } from '../../support/draw.js'
import {
  constant,
  int,
  ints,
  list,
  type OperatorCase,
  omitted,
  plain,
  scalarInt,
  text,
  truth,
  use,
  whole,
  x,
} from './case.js'

const away = among([-1.5, -0.4], [0.4, 1.5])

const gathers = [
  use('GatherElements', [x([3, 4]), whole([2, 4], [0, 1, 2, 0, -1, -2, 0, 2])], { note: 'negative and repeated' }),
  use('GatherElements', [x([3, 4]), whole([3, 2], [3, 0, 1, 1, -4, -1])], { attributes: { axis: int(1) } }),
  use('GatherElements', [x([2, 3, 4]), whole([2, 3, 2], [0, 0, 1, 3, 2, -1, 0, 2, 1, 1, 3, 3])], {
    attributes: { axis: int(-1) },
  }),
  use('GatherElements', [x([4]), whole([6], [3, 3, 0, 1, 1, 1], 'int32')], { note: 'int32' }),
  use('GatherElements', [whole([2, 2], [1, 2, 3, 4]), whole([1, 2], [1, 0])], { note: 'int64' }),
  use('GatherND', [x([3, 4]), whole([3, 2], [0, 1, 2, 3, 0, 1])], { note: 'repeated elements' }),
  use('GatherND', [x([3, 4, 2]), whole([2, 2, 2], [0, -1, -3, 2, 2, 2, 0, 3])], { note: 'negative' }),
  use('GatherND', [x([3, 4]), whole([2, 1], [2, -3])], { note: 'rows' }),
  use('GatherND', [x([5]), whole([3, 1], [4, 4, -5])]),
  use('GatherND', [x([2, 3, 4]), whole([2, 1], [1, -3])], { attributes: { batch_dims: int(1) } }),
  use('GatherND', [x([2, 3, 4]), whole([2, 2, 2], [1, 2, 1, 2, -1, 0, 0, -1])], { attributes: { batch_dims: int(1) } }),
  use('GatherND', [x([2, 2, 3]), whole([2, 2, 1], [0, 2, -1, 1])], { attributes: { batch_dims: int(2) } }),
  use('GatherND', [x([2, 3, 2, 2]), whole([2, 3, 2], [0, 1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1])], {
    attributes: { batch_dims: int(1) },
  }),
]

const reductions = ['add', 'mul', 'min', 'max']
const scatters = [
  use('ScatterElements', [x([5]), whole([3], [1, 4, 0]), x([3])], { attributes: { axis: int(0) } }),
  use('ScatterElements', [x([3, 4]), whole([2, 3], [0, 1, -1, 2, 0, 1]), x([2, 3])]),
  use('ScatterElements', [x([2, 3, 2]), whole([2, 2, 1], [2, 0, -3, 1]), x([2, 2, 1])], {
    attributes: { axis: int(1) },
  }),
  ...reductions.flatMap((reduction) => [
    use('ScatterElements', [x([3, 4], spaced()), whole([2, 4], [0, 1, 2, 2, 0, 1, -1, 0]), x([2, 4], spaced(0.05))], {
      attributes: { reduction: text(reduction) },
      note: 'repeated',
    }),
    use('ScatterElements', [x([2, 3], spaced()), whole([2, 4], [0, 1, 1, -2, 2, 0, 0, 0]), x([2, 4], spaced(0.05))], {
      attributes: { axis: int(1), reduction: text(reduction) },
    }),
    use('ScatterElements', [x([4], away), whole([5], [1, 1, 3, -1, 3], 'int32'), x([5], spaced(0.05))], {
      attributes: { reduction: text(reduction) },
    }),
  ]),
  use('ScatterElements', [x([4], away), whole([5], [1, 1, 3, 0, 3]), plain([5], [0, 2, 0, 0.5, 0])], {
    attributes: { reduction: text('mul') },
    note: 'zero factors',
  }),
  use('Scatter', [x([3, 4]), whole([2, 3], [0, 1, 2, 2, 0, 1]), x([2, 3])], { opset: 9 }),
  use('Scatter', [x([3, 4]), whole([3, 1], [3, 0, 1]), x([3, 1])], { opset: 10, attributes: { axis: int(1) } }),
  ...reductions.flatMap((reduction) => [
    use('ScatterND', [x([5, 2], spaced()), whole([4, 1], [1, -1, 1, 0]), x([4, 2], spaced(0.05))], {
      opset: 18,
      attributes: { reduction: text(reduction) },
    }),
    use('ScatterND', [x([3, 4], spaced()), whole([2, 2, 2], [0, 1, -1, 3, 0, -3, 2, -4]), x([2, 2], spaced(0.05))], {
      opset: 18,
      attributes: { reduction: text(reduction) },
    }),
  ]),
  use('ScatterND', [x([5, 2]), whole([3, 1], [1, 4, 0]), x([3, 2])]),
  use('ScatterND', [x([3, 4]), whole([2, 2, 2], [0, 1, -1, 3, 1, 1, 2, -4]), x([2, 2])]),
  use('ScatterND', [x([3, 2, 2]), ints2([2, 1], [2, 0]), x([2, 2, 2])]),
]

function conditions(...values: number[]) {
  return constant({ type: 'bool', dims: [values.length], data: Uint8Array.from(values) })
}

function ints2(dims: readonly number[], values: readonly number[]) {
  return constant(int64(dims, values))
}

const choices = [
  use('TopK', [x([3, 6], spaced()), ints(2)], { outputs: 2 }),
  use('TopK', [x([6, 3], spaced()), ints(4)], { attributes: { axis: int(0), largest: int(0) }, outputs: 2 }),
  use('TopK', [x([2, 5, 2], spaced()), ints(3)], { attributes: { axis: int(1), sorted: int(0) }, outputs: 2 }),
  use('TopK', [x([4], spaced()), ints(4)], { outputs: 2 }),
  use('TopK', [x([3, 6], spaced())], { opset: 9, attributes: { k: int(2), axis: int(0) }, outputs: 2 }),
  use('TopK', [x([3, 6], spaced()), ints(2)], { opset: 11, attributes: { largest: int(0) }, outputs: 2 }),
  use('Compress', [x([3, 4]), conditions(1, 0, 1)], { opset: 11, attributes: { axis: int(0) } }),
  use('Compress', [x([3, 4]), conditions(0, 1)], {
    opset: 11,
    attributes: { axis: int(-1) },
    note: 'a short condition',
  }),
  use('Compress', [x([3, 4]), conditions(1, 0, 0, 1, 0, 1, 1)], { opset: 9 }),
  use('NonZero', [constant(float32([2, 3], [0, 1, 0, -2, 0, 3]))]),
  use('NonZero', [constant(float32([4], [0, 1, 1, 0]))]),
  use('Unique', [constant(int64([6], [4, 1, 4, 2, 1, 1]))], { outputs: 4 }),
  use('Unique', [constant(int64([6], [4, 1, 4, 2, 1, 1]))], { attributes: { sorted: int(0) }, outputs: 4 }),
  use('Unique', [constant(float32([2, 3], [3, 1, 3, 2, 5, 2]))], { attributes: { axis: int(1) }, outputs: 4 }),
  use('Unique', [constant(float32([3, 2], [3, 1, 0, 9, 3, 1]))], {
    attributes: { axis: int(0), sorted: int(0) },
    outputs: 4,
  }),
  use('OneHot', [whole([4], [0, 2, -1, 7]), scalarInt(3), x([2])]),
  use('OneHot', [whole([2, 3], [0, 2, -1, 1, 1, 4]), scalarInt(5), x([2])], { attributes: { axis: int(0) } }),
  use('OneHot', [whole([2, 2], [0, 2, 1, 1]), ints(3), x([2], between(1, 2))], { attributes: { axis: int(1) } }),
  use('EyeLike', [x([3, 4])]),
  use('EyeLike', [x([3, 4])], { attributes: { k: int(1), dtype: int(7) } }),
  use('EyeLike', [x([3, 3])], { attributes: { k: int(-2) } }),
]

const rearrangements = [
  use('Tile', [x([2, 3]), ints(2, 1)]),
  use('Tile', [x([2, 1, 3]), ints(3, 4, 2)]),
  use('Tile', [x([2, 3]), ints(1, 1)]),
  use('Trilu', [x([4, 4])]),
  use('Trilu', [x([2, 3, 5]), scalarInt(1)]),
  use('Trilu', [x([5, 3]), scalarInt(-1)], { attributes: { upper: int(0) } }),
  use('Trilu', [x([2, 4, 4])], { attributes: { upper: int(0) } }),
  use('ReverseSequence', [x([4, 3, 2]), whole([3], [4, 1, 2])]),
  use('ReverseSequence', [x([2, 5]), whole([2], [3, 5])], { attributes: { batch_axis: int(0), time_axis: int(1) } }),
  use('DepthToSpace', [x([2, 8, 2, 3])], { attributes: { blocksize: int(2) } }),
  use('DepthToSpace', [x([1, 9, 1, 2])], { attributes: { blocksize: int(3), mode: text('DCR') } }),
  use('DepthToSpace', [x([2, 8, 2, 3])], { attributes: { blocksize: int(2), mode: text('CRD') } }),
  use('DepthToSpace', [x([1, 9, 2, 1])], { attributes: { blocksize: int(3), mode: text('CRD') } }),
  use('SpaceToDepth', [x([2, 2, 4, 6])], { attributes: { blocksize: int(2) } }),
  use('SpaceToDepth', [x([1, 1, 3, 6])], { attributes: { blocksize: int(3) } }),
  use('Col2Im', [x([1, 8, 4]), ints(3, 3), ints(2, 2)]),
  use('Col2Im', [x([2, 4, 12]), ints(5, 4), ints(2, 2)], {
    attributes: { strides: attr.ints([2, 1]), pads: attr.ints([0, 1, 1, 0]) },
    note: 'strides and pads',
  }),
  use('Col2Im', [x([1, 6, 4]), ints(4, 6), ints(3, 2)], {
    attributes: { dilations: attr.ints([1, 3]), strides: attr.ints([1, 2]) },
  }),
  use('Col2Im', [x([2, 6, 4]), ints(6), ints(3)]),
]

const crops = ['reflect', 'edge', 'wrap'].flatMap((mode) => [
  use('Pad', [x([3, 4]), ints(1, 2, 0, 3)], { attributes: { mode: text(mode) } }),
  use('Pad', [x([5, 4]), ints(-1, 2, 2, -1)], { attributes: { mode: text(mode) }, note: 'cropping' }),
  use('Pad', [x([2, 3, 4]), ints(2, 1), omitted, ints(-1)], { attributes: { mode: text(mode) }, note: 'axes' }),
  use('Pad', [x([2, 5, 3, 4]), ints(0, 0, 1, 1, 0, 0, 1, 2)], { attributes: { mode: text(mode) } }),
])
const pads = [
  use('Pad', [x([3, 4]), ints(1, 2, 0, 3)]),
  use('Pad', [x([3, 4]), ints(1, 0, 0, 1), x([])], { attributes: { mode: text('constant') } }),
  use('Pad', [x([3, 4]), ints(2, -1, -1, 1), x([])], { note: 'cropping, with a value' }),
  use('Pad', [x([5, 4]), ints(-1, 2, -2, -1)], { note: 'cropping' }),
  use('Pad', [x([2, 3, 4]), ints(2, 1), plain([], [0]), ints(-1)], { note: 'axes' }),
  use('Pad', [x([2, 3, 4]), ints(1, 0, 2, 1), omitted, ints(2, 0)], { note: 'axes, no value' }),
  use('Pad', [whole([3], [1, 2, 3]), ints(1, 1)], { note: 'int64' }),
  ...crops,
  use('Pad', [constant(int64([3], [1, 2, 3])), ints(1, 2)]),
  use('Pad', [constant(int64([2, 2], [1, 2, 3, 4])), ints(1, -1), scalarInt(7), ints(-1)]),
  use('Pad', [x([4]), ints(4, 9)], { attributes: { mode: text('wrap') }, note: 'more than once around' }),
  use('Pad', [x([1, 3]), ints(2, 0, 1, 5)], { attributes: { mode: text('edge') } }),
]

export const indexingCases: readonly OperatorCase[] = [
  ...gathers,
  ...scatters,
  ...choices,
  ...rearrangements,
  ...pads,
  use('CenterCropPad', [x([5, 2, 6]), ints(2, 5, 6)], { opset: 18 }),
  use('CenterCropPad', [x([5, 2, 6]), ints(3, 8)], { opset: 18, attributes: { axes: list(-1, 0) } }),
  use('TensorScatter', [x([2, 4, 3]), x([2, 2, 3]), whole([2], [0, 2])], { opset: 24 }),
  use('TensorScatter', [x([2, 4, 3]), x([2, 2, 3]), whole([2], [1, 3])], {
    opset: 24,
    attributes: { mode: text('circular') },
  }),
  use('TensorScatter', [x([2, 3, 2]), x([2, 2, 2])], { opset: 24, attributes: { axis: int(1) } }),
  use('Where', [truth([2, 1, 3]), x([4, 1]), x([1])], { note: 'broadcast' }),
]
