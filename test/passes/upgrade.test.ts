/** Old forms of operators, opset 7 to 21: a model read into canonical form computes what onnxruntime computes of the original. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import { type Attribute, attr, type Model, type ValueInfo } from '#graft/graph/graph.js'
import { ELEMENT_TYPES, float32, int64, int64Vector, sizeOf, type Tensor } from '#graft/graph/tensor.js'
import { CANONICAL_OPSET } from '#graft/ops/operator.js'
import { specialise } from '#graft/passes/specialise.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor } from '#graft/runtime/types.js'
import { model, node, value } from '../onnx/build.js'
import { assertClose, runOnce } from '../support/compare.js'

/** One operator in the form of an opset. */
interface Form {
  readonly opset: number
  readonly opType: string
  /** Shape of the input `x`. */
  readonly x: readonly number[]
  readonly attributes?: Readonly<Record<string, Attribute>>
  /** Further inputs, as initializers; undefined omits one. */
  readonly rest?: readonly (Tensor | undefined)[]
  readonly outputs?: number
  /** Type of the second output, where it is not that of the first. */
  readonly second?: ValueInfo['type']
}

const int = attr.int
const ints = (...values: number[]) => attr.ints(values)
const across = (opsets: readonly number[], form: Omit<Form, 'opset'>): Form[] =>
  opsets.map((opset) => ({ ...form, opset }))
const positive = (dims: readonly number[]): Tensor =>
  float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, (_, i) => 0.5 + ((i * 7) % 5) / 4),
  )
const signed = (dims: readonly number[]): Tensor =>
  float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, (_, i) => Math.sin(1 + 3 * i)),
  )

const truths = (...values: number[]): Tensor => ({ type: 'bool', dims: [values.length], data: Uint8Array.from(values) })
const floatVector = (...values: number[]): Tensor => float32([values.length], values)

const REDUCTIONS = [
  'ReduceMean',
  'ReduceMax',
  'ReduceMin',
  'ReduceProd',
  'ReduceSumSquare',
  'ReduceL1',
  'ReduceL2',
  'ReduceLogSumExp',
  'ReduceSum',
]

const forms: readonly Form[] = [
  // Clip: bounds as attributes, then as inputs
  ...across([7, 10], { opType: 'Clip', x: [2, 5], attributes: { min: attr.float(-0.5), max: attr.float(0.7) } }),
  ...across([7, 10], { opType: 'Clip', x: [2, 5], attributes: { max: attr.float(0.2) } }),
  ...across([9], { opType: 'Clip', x: [2, 5], attributes: { min: attr.float(0) } }),
  ...across([7], { opType: 'Clip', x: [2, 5] }),
  ...across([11, 12, 13], { opType: 'Clip', x: [2, 5], rest: [undefined, float32([], [0.2])] }),
  ...across([11, 21], { opType: 'Clip', x: [2, 5], rest: [float32([], [-0.3]), float32([], [0.2])] }),
  // Reductions: axes as an attribute, then as an input
  ...REDUCTIONS.flatMap((opType) => [
    ...across([7, 11, 12], { opType, x: [2, 3, 4], attributes: { axes: ints(0, 2), keepdims: int(0) } }),
    ...across([11, 12], { opType, x: [2, 3, 4], attributes: { axes: ints(-1) } }),
    ...across([7, 12], { opType, x: [2, 3] }),
    ...across([18, 20], { opType, x: [2, 3, 4], rest: [int64Vector([-1, 0])], attributes: { keepdims: int(0) } }),
    ...across([18], { opType, x: [2, 3], attributes: { noop_with_empty_axes: int(1) } }),
  ]),
  ...REDUCTIONS.filter((opType) => opType !== 'ReduceSum').flatMap((opType) =>
    across([13, 17], { opType, x: [2, 3, 4], attributes: { axes: ints(1) } }),
  ),
  ...across([13, 17], { opType: 'ReduceSum', x: [2, 3, 4], rest: [int64Vector([1])] }),
  // Squeeze and Unsqueeze
  ...across([7, 11, 12], { opType: 'Squeeze', x: [1, 3, 1], attributes: { axes: ints(0) } }),
  ...across([11], { opType: 'Squeeze', x: [1, 3, 1], attributes: { axes: ints(-1) } }),
  ...across([7, 13], { opType: 'Squeeze', x: [1, 3, 1] }),
  ...across([13, 21], { opType: 'Squeeze', x: [1, 3, 1], rest: [int64Vector([2])] }),
  ...across([7, 12], { opType: 'Unsqueeze', x: [3, 4], attributes: { axes: ints(0, 3) } }),
  ...across([11], { opType: 'Unsqueeze', x: [3, 4], attributes: { axes: ints(-1) } }),
  ...across([13, 21], { opType: 'Unsqueeze', x: [3, 4], rest: [int64Vector([1, -1])] }),
  // Slice
  ...across([7, 9], {
    opType: 'Slice',
    x: [5, 6],
    attributes: { starts: ints(1, -4), ends: ints(4, 1000), axes: ints(0, 1) },
  }),
  ...across([9], { opType: 'Slice', x: [5, 6], attributes: { starts: ints(1), ends: ints(-1) } }),
  ...across([10, 13], {
    opType: 'Slice',
    x: [5, 6],
    rest: [int64Vector([4, 1]), int64Vector([-100, 6]), int64Vector([0, 1]), int64Vector([-2, 3])],
  }),
  // Pad
  ...across([7, 10], { opType: 'Pad', x: [3, 4], attributes: { pads: ints(1, 0, 2, 1), value: attr.float(1.5) } }),
  ...across([10], { opType: 'Pad', x: [3, 4], attributes: { pads: ints(0, 1, 0, 2), mode: attr.string('reflect') } }),
  ...across([7], { opType: 'Pad', x: [3, 4], attributes: { pads: ints(0, -1, 0, 2) } }),
  ...across([11, 13], { opType: 'Pad', x: [3, 4], rest: [int64Vector([1, 0, 2, 1]), float32([], [1.5])] }),
  ...across([18, 21], { opType: 'Pad', x: [3, 4], rest: [int64Vector([1, 2]), undefined, int64Vector([1])] }),
  // Split
  ...across([7, 11], { opType: 'Split', x: [6, 2], outputs: 3 }),
  ...across([7, 12], { opType: 'Split', x: [2, 7], attributes: { axis: int(1), split: ints(1, 4, 2) }, outputs: 3 }),
  ...across([11], { opType: 'Split', x: [2, 6], attributes: { axis: int(-1) }, outputs: 2 }),
  ...across([13, 17], {
    opType: 'Split',
    x: [2, 7],
    attributes: { axis: int(1) },
    rest: [int64Vector([3, 4])],
    outputs: 2,
  }),
  ...across([13], { opType: 'Split', x: [6, 2], outputs: 2 }),
  ...across([18, 21], { opType: 'Split', x: [7, 2], attributes: { num_outputs: int(3) }, outputs: 3 }),
  // Softmax flattened to two dimensions before opset 13
  ...['Softmax', 'LogSoftmax', 'Hardmax'].flatMap((opType) => [
    ...across([7, 11, 12, 13, 21], { opType, x: [2, 3, 4] }),
    ...across([7, 12, 13], { opType, x: [2, 3, 4], attributes: { axis: int(1) } }),
    ...across([11, 13], { opType, x: [2, 3, 4], attributes: { axis: int(-1) } }),
    ...across([11, 13], { opType, x: [2, 3, 4], attributes: { axis: int(-2) } }),
    ...across([9, 13], { opType, x: [2, 3, 4], attributes: { axis: int(0) } }),
  ]),
  // Dropout is the identity in inference
  ...across([7, 10], { opType: 'Dropout', x: [2, 3], attributes: { ratio: attr.float(0.4) } }),
  ...across([12, 13], { opType: 'Dropout', x: [2, 3], rest: [float32([], [0.4])] }),
  ...across([12, 21], {
    opType: 'Dropout',
    x: [2, 3],
    rest: [float32([], [0.4]), { type: 'bool', dims: [], data: Uint8Array.of(0) }],
  }),
  ...across([7, 9], { opType: 'Dropout', x: [2, 3], outputs: 2 }),
  ...across([10, 13], { opType: 'Dropout', x: [2, 3], outputs: 2, second: 'bool' }),
  // BatchNormalization
  ...across([7, 9, 14, 15], {
    opType: 'BatchNormalization',
    x: [2, 3, 4],
    rest: [signed([3]), signed([3]), signed([3]), positive([3])],
  }),
  ...across([7, 15], {
    opType: 'BatchNormalization',
    x: [2, 3, 2, 2],
    attributes: { epsilon: attr.float(0.1), momentum: attr.float(0.5) },
    rest: [signed([3]), signed([3]), signed([3]), positive([3])],
  }),
  ...across([7], {
    opType: 'BatchNormalization',
    x: [2, 3, 4],
    attributes: { spatial: int(1) },
    rest: [signed([3]), signed([3]), signed([3]), positive([3])],
  }),
  // Batch norm by position; in training; with outputs that only said that it trained
  ...across([7, 8], {
    opType: 'BatchNormalization',
    x: [2, 3, 4],
    attributes: { spatial: int(0) },
    rest: [signed([3, 4]), signed([3, 4]), signed([3, 4]), positive([3, 4])],
  }),
  ...across([14, 15, 21], {
    opType: 'BatchNormalization',
    x: [3, 2, 4],
    attributes: { training_mode: int(1), momentum: attr.float(0.8), epsilon: attr.float(0.01) },
    rest: [signed([2]), signed([2]), signed([2]), positive([2])],
    outputs: 3,
  }),
  // Windows with auto_pad
  ...['SAME_UPPER', 'SAME_LOWER', 'VALID', 'NOTSET'].flatMap((mode) => [
    ...across([7, 21], {
      opType: 'Conv',
      x: [1, 2, 7, 8],
      attributes: { auto_pad: attr.string(mode), strides: ints(2, 3), kernel_shape: ints(3, 3) },
      rest: [signed([3, 2, 3, 3])],
    }),
    ...across([7, 12], {
      opType: 'MaxPool',
      x: [1, 2, 7, 8],
      attributes: { auto_pad: attr.string(mode), kernel_shape: ints(3, 2), strides: ints(2, 2) },
    }),
    ...across([7, 19], {
      opType: 'AveragePool',
      x: [1, 2, 7, 8],
      attributes: { auto_pad: attr.string(mode), kernel_shape: ints(3, 2), strides: ints(2, 2) },
    }),
  ]),
  ...['SAME_UPPER', 'SAME_LOWER', 'VALID', 'NOTSET'].flatMap((mode) => {
    const auto_pad = attr.string(mode)
    const spread = (x: readonly number[], w: readonly number[], attributes: Readonly<Record<string, Attribute>>) =>
      across([7, 11, 21], { opType: 'ConvTranspose', x, attributes: { auto_pad, ...attributes }, rest: [signed(w)] })
    return [
      ...spread([1, 2, 4, 5], [2, 3, 3, 3], { strides: ints(2, 2) }),
      ...spread([1, 2, 4, 5], [2, 3, 3, 4], { strides: ints(2, 3), output_padding: ints(1, 2) }),
      ...spread([1, 2, 4, 5], [2, 3, 3, 3], { strides: ints(2, 2), output_shape: ints(8, 9) }),
      ...spread([1, 2, 4, 5], [2, 3, 3, 3], { strides: ints(2, 2), output_shape: ints(9, 12) }),
      ...spread([1, 2, 4], [2, 3, 1], { strides: ints(2) }),
      ...spread([1, 2, 3, 2, 4], [2, 1, 3, 2, 3], { strides: ints(2, 1, 2), dilations: ints(1, 2, 1) }),
      ...['MaxPool', 'LpPool', 'AveragePool'].flatMap((opType) => [
        ...across([11, 21], {
          opType,
          x: [1, 2, 9],
          attributes: { auto_pad, kernel_shape: ints(3), strides: ints(2) },
        }),
        ...across([11, 21], {
          opType,
          x: [1, 2, 4, 5, 6],
          attributes: { auto_pad, kernel_shape: ints(3, 2, 2), strides: ints(2, 1, 2) },
        }),
      ]),
      ...across([12, 21], {
        opType: 'MaxPool',
        x: [1, 2, 9],
        attributes: { auto_pad, kernel_shape: ints(3), strides: ints(2), dilations: ints(2) },
      }),
      ...across([19, 21], {
        opType: 'AveragePool',
        x: [1, 2, 9],
        attributes: { auto_pad, kernel_shape: ints(3), strides: ints(2), dilations: ints(2) },
      }),
    ]
  }),
  ...across([7, 21], {
    opType: 'ConvTranspose',
    x: [1, 2, 4, 5],
    attributes: { pads: ints(1, 0, 2, 1) },
    rest: [signed([2, 3, 3, 3]), signed([3])],
  }),
  ...across([7, 10, 18, 22], {
    opType: 'LpPool',
    x: [1, 2, 7, 8],
    attributes: { kernel_shape: ints(3, 2), p: int(3), pads: ints(1, 0, 1, 1), strides: ints(2, 2) },
  }),
  ...across([18, 22], {
    opType: 'LpPool',
    x: [1, 2, 8, 8],
    attributes: { kernel_shape: ints(3, 2), ceil_mode: int(1), dilations: ints(1, 2), strides: ints(3, 3) },
  }),
  ...across([7, 21], { opType: 'GlobalLpPool', x: [1, 2, 7, 8], attributes: { p: int(3) } }),
  ...across([7, 13], { opType: 'LRN', x: [1, 5, 2, 3], attributes: { size: int(3), alpha: attr.float(0.3) } }),
  ...across([7, 22], { opType: 'InstanceNormalization', x: [2, 3, 5], rest: [signed([3]), signed([3])] }),
  ...across([11], { opType: 'Conv', x: [1, 2, 5, 6], rest: [signed([3, 2, 3, 2]), signed([3])] }),
  // Pools: ceil_mode since 10, dilations since 19
  ...across([10, 11, 19], {
    opType: 'AveragePool',
    x: [1, 2, 7, 8],
    attributes: { kernel_shape: ints(3, 3), strides: ints(2, 2), ceil_mode: int(1), pads: ints(1, 1, 1, 1) },
  }),
  ...across([10, 11, 19], {
    opType: 'AveragePool',
    x: [1, 2, 6, 8],
    attributes: {
      kernel_shape: ints(3, 3),
      strides: ints(2, 2),
      ceil_mode: int(1),
      pads: ints(1, 0, 0, 1),
      count_include_pad: int(1),
    },
  }),
  ...across([10, 12], {
    opType: 'MaxPool',
    x: [1, 2, 8, 8],
    attributes: { kernel_shape: ints(2, 2), strides: ints(3, 3), ceil_mode: int(1), dilations: ints(2, 1) },
  }),
  ...across([7], { opType: 'GlobalMaxPool', x: [2, 3, 4, 5] }),
  ...across([7], { opType: 'GlobalAveragePool', x: [2, 3, 4, 5] }),
  // DFT: the axis as an attribute, 1 by default, then as an input
  ...across([17, 19], { opType: 'DFT', x: [2, 5, 1] }),
  ...across([17], { opType: 'DFT', x: [4, 3, 2], attributes: { axis: int(0), inverse: int(1) } }),
  ...across([17], { opType: 'DFT', x: [2, 6, 1], attributes: { onesided: int(1) }, rest: [int64([], [4])] }),
  ...across([20], { opType: 'DFT', x: [2, 3, 5, 2], rest: [undefined, int64([], [1])] }),
  // Others whose form changed
  ...across([7, 9, 11], {
    opType: 'Gemm',
    x: [3, 4],
    attributes: { transB: int(1) },
    rest: [signed([5, 4]), signed([5])],
  }),
  ...across([11, 13], { opType: 'Gemm', x: [3, 4], rest: [signed([4, 5])] }),
  ...across([7, 9, 13], { opType: 'Flatten', x: [2, 3, 4], attributes: { axis: int(2) } }),
  ...across([11], { opType: 'Flatten', x: [2, 3, 4], attributes: { axis: int(-1) } }),
  ...across([7, 14], { opType: 'Reshape', x: [2, 3, 4], rest: [int64Vector([0, -1])] }),
  ...across([7, 13], { opType: 'Cast', x: [2, 3], attributes: { to: int(ELEMENT_TYPES.int64) } }),
  ...across([7, 14], { opType: 'Add', x: [2, 3], rest: [signed([3])] }),
  ...across([8, 12], { opType: 'Max', x: [2, 3], rest: [signed([3]), signed([2, 1])] }),
  ...across([7, 12, 15], { opType: 'Pow', x: [2, 3], rest: [float32([], [2])] }),
  ...across([12], { opType: 'Pow', x: [2, 3], rest: [int64([], [3])] }),
  ...across([8], { opType: 'Expand', x: [3, 1], rest: [int64Vector([2, 1, 4])] }),
  ...across([7, 11, 13], { opType: 'Gather', x: [4, 3], rest: [int64([2, 2], [0, 3, 1, 1])] }),
  ...across([11], { opType: 'ArgMax', x: [4, 3], attributes: { axis: int(-1), keepdims: int(0) } }),
  ...across([7, 13, 15], { opType: 'Shape', x: [4, 3] }),
  ...across([15], { opType: 'Shape', x: [4, 3, 2], attributes: { start: int(-2) } }),
  ...across([7], { opType: 'Size', x: [4, 3] }),
  ...across([15], { opType: 'CastLike', x: [4, 3], rest: [int64([1], [0])] }),
  ...across([7, 16], { opType: 'LeakyRelu', x: [4, 3], attributes: { alpha: attr.float(0.2) } }),
  // Scatters: named Scatter before opset 11; reductions since 16, the extremes since 18
  ...across([9, 10], {
    opType: 'Scatter',
    x: [3, 4],
    attributes: { axis: int(1) },
    rest: [int64([3, 1], [2, 0, 3]), signed([3, 1])],
  }),
  ...across([11, 13, 16, 18], {
    opType: 'ScatterElements',
    x: [3, 4],
    rest: [int64([1, 4], [2, 0, 1, -1]), signed([1, 4])],
  }),
  ...across([11, 16, 18], { opType: 'ScatterND', x: [3, 4], rest: [int64([2, 2], [0, 3, -1, 1]), signed([2])] }),
  ...['add', 'mul'].flatMap((reduction) =>
    across([16, 18], {
      opType: 'ScatterND',
      x: [3, 4, 2],
      attributes: { reduction: attr.string(reduction) },
      rest: [int64([3, 2], [0, 3, -1, -2, 0, 3]), signed([3, 2])],
    }),
  ),
  ...['min', 'max', 'add'].flatMap((reduction) =>
    across([18, 21], {
      opType: 'ScatterND',
      x: [3, 2],
      attributes: { reduction: attr.string(reduction) },
      rest: [int64([2, 2, 1], [0, -1, 1, 0]), signed([2, 2, 2])],
    }),
  ),
  ...across([11, 13], { opType: 'GatherElements', x: [3, 2], rest: [int64([1, 2], [2, -3])] }),
  ...across([11, 12, 13], { opType: 'GatherND', x: [3, 2], rest: [int64([2, 1], [2, -3])] }),
  ...across([12, 13], {
    opType: 'GatherND',
    x: [2, 3],
    attributes: { batch_dims: int(1) },
    rest: [int64([2, 1], [2, 0])],
  }),
  // Choosing and rearranging
  ...across([7, 9], { opType: 'TopK', x: [3, 6], attributes: { k: int(2) }, outputs: 2, second: 'int64' }),
  ...across([9], { opType: 'TopK', x: [6, 3], attributes: { k: int(4), axis: int(0) }, outputs: 2, second: 'int64' }),
  ...across([10, 11, 24], { opType: 'TopK', x: [3, 6], rest: [int64Vector([2])], outputs: 2, second: 'int64' }),
  ...across([9, 11], { opType: 'Compress', x: [3, 4], attributes: { axis: int(1) }, rest: [truths(0, 1, 1)] }),
  ...across([11], { opType: 'Compress', x: [3, 4], attributes: { axis: int(-2) }, rest: [truths(1, 0, 1)] }),
  ...across([9, 11], { opType: 'Compress', x: [3, 4], rest: [truths(0, 1, 0, 0, 0, 1)] }),
  ...across([9, 11], { opType: 'EyeLike', x: [3, 4], attributes: { k: int(1) } }),
  ...across([7, 11, 13], { opType: 'DepthToSpace', x: [1, 8, 2, 3], attributes: { blocksize: int(2) } }),
  ...across([7, 13], { opType: 'SpaceToDepth', x: [1, 2, 2, 4], attributes: { blocksize: int(2) } }),
  ...across([7, 13], { opType: 'Tile', x: [2, 3], rest: [int64Vector([2, 1])] }),
  ...across([14], { opType: 'Trilu', x: [3, 4], rest: [int64([], [-1])] }),
  ...across([10], { opType: 'ReverseSequence', x: [3, 2], rest: [int64Vector([2, 3])] }),
  ...across([18], { opType: 'Col2Im', x: [1, 4, 4], rest: [int64Vector([3, 3]), int64Vector([2, 2])] }),
  ...across([18], { opType: 'CenterCropPad', x: [5, 2, 6], rest: [int64Vector([2, 5, 6])] }),
  ...across([18], {
    opType: 'CenterCropPad',
    x: [5, 2, 6],
    attributes: { axes: ints(-1, 0) },
    rest: [int64Vector([3, 8])],
  }),
  ...across([19], {
    opType: 'Pad',
    x: [3, 4],
    attributes: { mode: attr.string('wrap') },
    rest: [int64Vector([1, 2, 0, 3])],
  }),
  // Resize: of opset 10 without coordinate modes; sizes since 11; axes, antialias and policies since 18
  ...['nearest', 'linear'].flatMap((mode) => [
    ...across([7], {
      opType: 'Upsample',
      x: [1, 2, 3, 4],
      attributes: { mode: attr.string(mode), scales: attr.floats([1, 1, 2, 1.5]) },
    }),
    ...across([9], {
      opType: 'Upsample',
      x: [1, 2, 3, 4],
      attributes: { mode: attr.string(mode) },
      rest: [floatVector(1, 1, 2, 1.5)],
    }),
    ...[
      [2, 3],
      [0.5, 0.6],
      [0.6, 1.7],
      [2.3, 0.7],
    ].flatMap(([h, w]) =>
      across([10], {
        opType: 'Resize',
        x: [1, 2, 5, 7],
        attributes: { mode: attr.string(mode) },
        rest: [floatVector(1, 1, h as number, w as number)],
      }),
    ),
    ...across([11, 13, 18, 19], {
      opType: 'Resize',
      x: [1, 2, 5, 7],
      attributes: { mode: attr.string(mode) },
      rest: [floatVector(), floatVector(1, 1, 0.6, 1.7)],
    }),
    ...across([11, 13], {
      opType: 'Resize',
      x: [1, 2, 5, 7],
      attributes: { mode: attr.string(mode) },
      rest: [floatVector(), floatVector(), int64Vector([1, 2, 3, 9])],
    }),
    ...across([18, 19], {
      opType: 'Resize',
      x: [1, 2, 5, 7],
      attributes: { mode: attr.string(mode), axes: ints(3, 2), keep_aspect_ratio_policy: attr.string('not_larger') },
      rest: [undefined, undefined, int64Vector([8, 9])],
    }),
  ]),
  ...across([11], {
    opType: 'Resize',
    x: [1, 2, 3, 4],
    attributes: { mode: attr.string('nearest'), coordinate_transformation_mode: attr.string('tf_half_pixel_for_nn') },
    rest: [floatVector(), floatVector(1, 1, 2, 2)],
  }),
  // Sampling: its modes were renamed in opset 20
  ...['bilinear', 'nearest', 'bicubic'].flatMap((mode) =>
    across([16], {
      opType: 'GridSample',
      x: [2, 2, 3, 4],
      attributes: { mode: attr.string(mode) },
      rest: [signed([2, 2, 3, 2])],
    }),
  ),
  ...across([20], {
    opType: 'GridSample',
    x: [2, 2, 3, 4],
    attributes: { mode: attr.string('cubic') },
    rest: [signed([2, 2, 3, 2])],
  }),
  ...[0, 1].flatMap((align) => [
    ...across([20], {
      opType: 'AffineGrid',
      x: [2, 2, 3],
      attributes: { align_corners: int(align) },
      rest: [int64Vector([2, 1, 3, 4])],
    }),
    ...across([20], {
      opType: 'AffineGrid',
      x: [1, 3, 4],
      attributes: { align_corners: int(align) },
      rest: [int64Vector([1, 1, 2, 3, 4])],
    }),
  ]),
  ...across([17], { opType: 'LayerNormalization', x: [4, 3], rest: [signed([3]), signed([3])] }),
]

/** IR versions that go with an opset: older ones are all that onnxruntime read then. */
const irOf = (opset: number) => (opset < 12 ? 6 : opset < 19 ? 8 : 10)

function build(form: Form): Model {
  const initializers = new Map<string, Tensor>()
  const names = ['x']
  for (const [i, tensor] of (form.rest ?? []).entries()) {
    names.push(tensor ? `rest ${i}` : '')
    if (tensor) initializers.set(`rest ${i}`, tensor)
  }
  const outputs = Array.from({ length: form.outputs ?? 1 }, (_, i) => `y${i}`)
  const types: Readonly<Record<string, ValueInfo['type']>> = {
    Shape: 'int64',
    Size: 'int64',
    ArgMax: 'int64',
    Cast: 'int64',
    CastLike: 'int64',
  }
  return model(
    {
      inputs: [value('x', form.x)],
      outputs: outputs.map((name, i) =>
        value(name, undefined, (i === 1 ? form.second : undefined) ?? types[form.opType] ?? 'float32'),
      ),
      nodes: [node(form.opType, names, outputs, form.attributes)],
      initializers,
    },
    form.opset,
    irOf(form.opset),
  )
}

describe('reading older opsets', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  for (const opType of new Set(forms.map((form) => form.opType)))
    it(opType, async () => {
      for (const form of forms.filter((f) => f.opType === opType)) {
        const settings = Object.entries(form.attributes ?? {}).map(
          ([key, a]) => `${key}=${String(a.kind === 'graph' ? '' : a.value)}`,
        )
        const where = `${opType} of opset ${form.opset} (${form.x}) ${settings.join(' ')}`
        const original = build(form)
        const random = new Random(1, where)
        const x = floats(
          form.x,
          Float32Array.from({ length: sizeOf(form.x) }, () => random.normal()),
        )
        const expected = await runOnce(engine, original, { x })
        const { builder: g, value: at } = specialise(original, { shapes: { x: form.x } })
        for (const { name } of original.graph.outputs) g.output(`${name} read`, at(name))
        const read = g.model()
        assert.equal(read.opsets.get(''), CANONICAL_OPSET)
        const found = await runOnce(engine, read, { x })
        for (const { name } of original.graph.outputs) {
          const [a, b] = [found[`${name} read`] as HostTensor, expected[name] as HostTensor]
          assert.equal(a.type, b.type, where)
          assert.deepEqual([...a.dims], [...b.dims], where)
          assertClose(a.data, b.data, `${where}: ${name}`)
        }
      }
    })
})
