/** What spreads a map: transposed and deformable convolutions, unpooling, pooling over boxes. */
import { type Attribute, attr } from '#graft/graph/graph.js'
import { float32, sizeOf } from '#graft/graph/tensor.js'
import { between } from '../../support/draw.js'
import { constant, float, int, ints, list, type OperatorCase, plain, text, use, whole, x } from './case.js'

interface Settings {
  readonly strides?: readonly number[]
  readonly dilations?: readonly number[]
  readonly pads?: readonly number[]
  readonly output_padding?: readonly number[]
  readonly group?: number
  readonly bias?: boolean
}

/** A transposed convolution of an input (N, C, spatial...) with a weight (C, O / group, kernel...). */
function transposed(input: readonly number[], weight: readonly number[], settings: Settings = {}): OperatorCase {
  const attributes: Record<string, Attribute> = { kernel_shape: attr.ints(weight.slice(2)) }
  for (const name of ['strides', 'dilations', 'pads', 'output_padding'] as const) {
    const given = settings[name]
    if (given) attributes[name] = attr.ints(given)
  }
  const group = settings.group ?? 1
  if (group !== 1) attributes.group = attr.int(group)
  const bias = settings.bias ? [x([(weight[1] as number) * group])] : []
  return use('ConvTranspose', [x(input), x(weight), ...bias], { attributes })
}

const convolutions = [
  transposed([2, 3, 4, 5], [3, 2, 3, 3], { bias: true }),
  transposed([1, 3, 4, 5], [3, 2, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 0], bias: true }),
  transposed([1, 2, 4, 4], [2, 3, 4, 4], { strides: [2, 2], pads: [1, 1, 1, 1], bias: true }),
  transposed([2, 2, 3, 4], [2, 3, 2, 2], { strides: [2, 2], bias: true }),
  transposed([1, 4, 3, 3], [4, 2, 1, 1], { bias: true }),
  transposed([1, 4, 3, 3], [4, 2, 1, 1], { strides: [2, 2], output_padding: [1, 1] }),
  transposed([1, 2, 3, 4], [2, 3, 1, 1], { strides: [2, 3] }),
  transposed([1, 2, 3, 4], [2, 3, 3, 2], { pads: [0, 1, 2, 0], strides: [1, 2], bias: true }),
  transposed([1, 2, 4, 4], [2, 3, 3, 3], { pads: [2, 2, 2, 2] }),
  transposed([1, 2, 4, 3], [2, 3, 3, 3], { dilations: [2, 2], pads: [1, 2, 1, 2] }),
  transposed([1, 2, 4, 3], [2, 3, 3, 2], { dilations: [2, 3], strides: [2, 1] }),
  transposed([1, 2, 3, 3], [2, 2, 2, 2], { strides: [3, 3], output_padding: [2, 1] }),
  transposed([2, 4, 4, 4], [4, 1, 3, 3], { group: 4, bias: true }),
  transposed([2, 4, 4, 4], [4, 1, 4, 4], { group: 4, strides: [2, 2], pads: [1, 1, 1, 1], bias: true }),
  transposed([1, 4, 4, 3], [4, 3, 3, 3], { group: 2, pads: [1, 1, 1, 1], bias: true }),
  transposed([1, 6, 4, 3], [6, 1, 3, 3], { group: 3, strides: [2, 2], output_padding: [1, 1] }),
  transposed([2, 3, 5], [3, 2, 3], { bias: true }),
  transposed([1, 4, 4], [4, 1, 3], { group: 2, dilations: [2], bias: true }),
  transposed([1, 2, 6], [2, 3, 16], { strides: [8], pads: [4, 4] }),
  transposed([1, 2, 5], [2, 3, 4], { strides: [3], pads: [2, 0], output_padding: [1] }),
  transposed([1, 2, 3, 2, 3], [2, 2, 2, 3, 2], { bias: true }),
  transposed([1, 4, 3, 4, 2], [4, 2, 2, 3, 2], {
    group: 2,
    strides: [2, 1, 2],
    dilations: [1, 2, 1],
    pads: [1, 0, 0, 0, 1, 1],
    output_padding: [1, 0, 0],
  }),
]

const deformable = (
  input: readonly number[],
  weight: readonly number[],
  output: readonly number[],
  { sets = 1, mask = false, bias = false, ...settings }: Settings & { sets?: number; mask?: boolean } = {},
): OperatorCase => {
  const [n, taps] = [input[0] as number, (weight[2] as number) * (weight[3] as number)]
  const attributes: Record<string, Attribute> = { offset_group: int(sets), group: int(settings.group ?? 1) }
  for (const name of ['strides', 'dilations', 'pads'] as const) {
    const given = settings[name]
    if (given) attributes[name] = attr.ints(given)
  }
  return use(
    'DeformConv',
    [
      x(input),
      x(weight),
      // Between pixels, where reading has no kink.
      x([n, sets * taps * 2, ...output], between(0.1, 0.9)),
      ...(bias || mask ? [x([weight[0] as number])] : []),
      ...(mask ? [x([n, sets * taps, ...output])] : []),
    ],
    { attributes },
  )
}

const deformables = [
  deformable([1, 2, 5, 6], [3, 2, 3, 3], [3, 4]),
  deformable([2, 4, 5, 4], [4, 2, 2, 2], [4, 3], { group: 2, sets: 2, mask: true }),
  deformable([1, 2, 7, 6], [2, 2, 3, 2], [3, 5], {
    strides: [2, 1],
    dilations: [2, 3],
    pads: [1, 0, 1, 2],
    bias: true,
  }),
]

/** Where a 2 x 2 pool of stride 2 found the maxima of two planes of 4 x 4. */
const found = [0, 3, 9, 14, 21, 18, 24, 31]
const unpooled = [
  use('MaxUnpool', [x([1, 2, 2, 2]), whole([1, 2, 2, 2], found)], {
    attributes: { kernel_shape: list(2, 2), strides: list(2, 2) },
  }),
  use('MaxUnpool', [x([1, 2, 2, 2]), whole([1, 2, 2, 2], found), ints(1, 2, 5, 5)], {
    attributes: { kernel_shape: list(2, 2), strides: list(2, 2) },
    note: 'to a shape of its own',
  }),
  use('MaxUnpool', [x([1, 1, 4]), whole([1, 1, 4], [1, 1, 3, 3])], {
    attributes: { kernel_shape: list(3), strides: list(1) },
    note: 'windows that overlap',
  }),
  use('MaxUnpool', [x([1, 1, 2, 2, 1]), whole([1, 1, 2, 2, 1], [1, 3, 9, 10])], {
    attributes: { kernel_shape: list(2, 2, 1), strides: list(2, 2, 1), pads: list(0, 0, 0, 0, 0, 0) },
  }),
]

/** Boxes whose points keep away from pixel centres and edges. */
const BOXES = [1.53, 1.03, 3, 2.47, 1.01, 2.3, 2.33, 6.19, 1.62, 2.96, 4.36, 4.01]
const boxes = { kind: 'vary', dims: [3, 4], draw: () => Float32Array.from(BOXES) } as const
const maps = whole([3], [1, 0, 1])
const aligned = (attributes: Record<string, Attribute>, opset = 16) => [
  use('RoiAlign', [x([2, 3, 7, 6]), plain([3, 4], BOXES), maps], { attributes, opset }),
]
const feed = (dims: readonly number[]) =>
  plain(
    dims,
    Array.from({ length: sizeOf(dims) }, (_, i) => Math.sin(3 * i)),
  )
const regions = [
  ...aligned({ output_height: int(2), output_width: int(3), sampling_ratio: int(2) }),
  ...aligned({ output_height: int(2), output_width: int(2), sampling_ratio: int(3), spatial_scale: float(0.7) }),
  ...aligned({ sampling_ratio: int(1), output_height: int(3), output_width: int(1), spatial_scale: float(1.9) }),
  ...aligned({ output_height: int(2), output_width: int(3), sampling_ratio: int(2) }, 10),
  ...aligned({
    coordinate_transformation_mode: text('output_half_pixel'),
    sampling_ratio: int(2),
    output_height: int(2),
    output_width: int(2),
  }),
  use('RoiAlign', [x([1, 2, 7, 6]), boxes, whole([3], [0, 0, 0])], {
    attributes: { output_height: int(2), output_width: int(3), sampling_ratio: int(2) },
    opset: 16,
    note: 'boxes that are computed',
  }),
  use('RoiAlign', [x([2, 3, 7, 6]), constant(float32([3, 4], BOXES)), maps], {
    attributes: { output_height: int(2), output_width: int(2), spatial_scale: float(0.9) },
    opset: 16,
    note: 'as many points as the boxes are large',
  }),
  use('RoiAlign', [x([1, 2, 5, 5]), constant(float32([2, 4], [-4, -3, 20, 9, 1, 1, 3, 4])), whole([2], [0, 0])], {
    attributes: { output_height: int(3), output_width: int(2) },
    opset: 16,
    note: 'beyond the map',
  }),
  use(
    'RoiAlign',
    [x([1, 2, 5, 5]), constant(float32([2, 4], [0.3, 0.4, 3.2, 2.7, 1.1, 1.2, 1.3, 1.4])), whole([2], [0, 0])],
    {
      attributes: { output_height: int(2), output_width: int(2) },
      opset: 10,
      note: 'as many points as the boxes are large',
    },
  ),
  // Not written as others, so not differentiated.
  use('RoiAlign', [feed([1, 2, 7, 6]), plain([3, 4], BOXES), whole([3], [0, 0, 0])], {
    attributes: { mode: text('max'), output_height: int(2), output_width: int(3) },
    opset: 10,
  }),
  use('RoiAlign', [feed([1, 2, 7, 6]), plain([3, 4], BOXES), whole([3], [0, 0, 0])], {
    attributes: { output_height: int(3), output_width: int(2) },
    opset: 16,
    note: 'as many points as the boxes that are computed are large',
  }),
  use('MaxRoiPool', [x([1, 2, 6, 6]), plain([2, 5], [0, 0, 0, 4, 4, 0, 1, 1, 5, 3])], {
    attributes: { pooled_shape: list(2, 2) },
  }),
]

export const transposedCases: readonly OperatorCase[] = [...convolutions, ...deformables, ...unpooled, ...regions]
