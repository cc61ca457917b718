/** Resize in all its modes, and sampling at places given as data. */
import { type Attribute, attr } from '#graft/graph/graph.js'
import { float32 } from '#graft/graph/tensor.js'
import type { Draw } from '../../support/draw.js'
import { constant, int, ints, list, type OperatorCase, omitted, text, use, x } from './case.js'

const numbers = (...values: number[]) => constant(float32([values.length], values))
const COORDINATES = ['half_pixel', 'pytorch_half_pixel', 'asymmetric', 'align_corners', 'half_pixel_symmetric']

type Settings = Readonly<Record<string, Attribute>>
const scaled = (dims: readonly number[], scales: readonly number[], attributes: Settings) =>
  use('Resize', [x(dims), omitted, numbers(...scales)], { attributes })
const sized = (dims: readonly number[], sizes: readonly number[], attributes: Settings) =>
  use('Resize', [x(dims), omitted, omitted, ints(...sizes)], { attributes })

const resizes = [
  ...COORDINATES.flatMap((mode) => {
    const coordinates = { coordinate_transformation_mode: text(mode) }
    return [
      ...['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'].map((nearest) =>
        sized([1, 2, 3, 5], [1, 2, 7, 4], { ...coordinates, nearest_mode: text(nearest) }),
      ),
      scaled([1, 2, 3, 4], [1, 1, 2, 2], { ...coordinates, nearest_mode: text('floor') }),
      scaled([1, 2, 4, 6], [1, 1, 0.6, 1.7], { ...coordinates, mode: text('linear') }),
      sized([2, 1, 5, 3], [2, 1, 2, 8], { ...coordinates, mode: text('linear') }),
      sized([1, 2, 4, 5], [1, 2, 9, 3], { ...coordinates, mode: text('cubic') }),
      scaled([1, 1, 6, 5], [1, 1, 0.5, 2], { ...coordinates, mode: text('cubic'), cubic_coeff_a: attr.float(-0.5) }),
      sized([1, 1, 6, 5], [1, 1, 8, 3], { ...coordinates, mode: text('cubic'), exclude_outside: int(1) }),
      sized([1, 1, 7, 5], [1, 1, 3, 8], { ...coordinates, mode: text('linear'), antialias: int(1) }),
      sized([1, 1, 7, 9], [1, 1, 3, 4], { ...coordinates, mode: text('cubic'), antialias: int(1) }),
      sized([1, 1, 7, 5], [1, 1, 3, 4], {
        ...coordinates,
        mode: text('cubic'),
        antialias: int(1),
        exclude_outside: int(1),
      }),
    ]
  }),
  scaled([2, 3, 4], [1, 1, 3], { coordinate_transformation_mode: text('asymmetric'), nearest_mode: text('floor') }),
  scaled([1, 2, 2, 3, 2], [1, 1, 2, 2, 3], {}),
  scaled([1, 2, 2, 3, 2], [1, 1, 2, 1.5, 1], { mode: text('linear') }),
  scaled([2, 3, 5], [1, 1, 1.6], { mode: text('linear') }),
  scaled([1, 4, 5, 2], [1, 2, 0.6, 1], { mode: text('linear') }),
  scaled([3, 4], [2, 1.5], { mode: text('linear') }),
  scaled([5, 6], [1, 1], { mode: text('linear') }),
  scaled([2, 3, 5, 5], [1, 1, 1.1, 1.1], { mode: text('linear') }),
  scaled([1, 1, 3, 4], [1, 1, 2, 1.5], { coordinate_transformation_mode: text('tf_half_pixel_for_nn') }),
  sized([1, 1, 4, 3], [1, 1, 1, 5], {
    coordinate_transformation_mode: text('pytorch_half_pixel'),
    mode: text('linear'),
  }),
  use('Resize', [x([1, 1, 4, 5]), numbers(0, 0, 0.2, 0.2, 1, 1, 0.6, 0.9), omitted, ints(1, 1, 1, 3)], {
    attributes: { mode: text('linear'), coordinate_transformation_mode: text('tf_crop_and_resize') },
  }),
  sized([0, 1, 2, 3], [0, 1, 4, 3], {}),
  sized([1, 2, 3, 5], [6, 10], { axes: list(2, 3) }),
  sized([1, 2, 3, 5], [7, 4], { axes: list(3, 2), mode: text('linear') }),
  ...['not_larger', 'not_smaller'].flatMap((policy) => [
    sized([1, 1, 4, 6], [7, 8], { axes: list(2, 3), keep_aspect_ratio_policy: text(policy), mode: text('linear') }),
    sized([1, 1, 5, 3], [3, 3], { axes: list(2, 3), keep_aspect_ratio_policy: text(policy) }),
  ]),
  ...['nearest', 'linear', 'cubic'].flatMap((mode) => {
    const attributes = {
      mode: text(mode),
      coordinate_transformation_mode: text('tf_crop_and_resize'),
      extrapolation_value: attr.float(1.5),
    }
    return [
      use('Resize', [x([1, 1, 5, 6]), numbers(0, 0, 0.4, 0.6, 1, 1, 0.6, 0.8), omitted, ints(1, 1, 3, 4)], {
        attributes,
      }),
      use('Resize', [x([1, 1, 4, 5]), numbers(0, 0, -0.3, 0.2, 1, 1, 1.23, 0.9), omitted, ints(1, 1, 6, 3)], {
        attributes,
      }),
    ]
  }),
]

const older = ['nearest', 'linear'].flatMap((mode) => [
  use('Upsample', [x([1, 2, 3, 4])], {
    opset: 7,
    attributes: { mode: text(mode), scales: attr.floats([1, 1, 2, 1.5]) },
  }),
  use('Upsample', [x([1, 2, 3, 4]), numbers(1, 1, 1.4, 3)], { opset: 9, attributes: { mode: text(mode) } }),
  use('Resize', [x([1, 2, 5, 4]), numbers(1, 1, 0.6, 2)], { opset: 10, attributes: { mode: text(mode) } }),
])

const grids = [0, 1].flatMap((align) => [
  use('AffineGrid', [x([2, 2, 3]), ints(2, 1, 3, 4)], { opset: 20, attributes: { align_corners: int(align) } }),
  use('AffineGrid', [x([1, 3, 4]), ints(1, 1, 2, 1, 4)], { opset: 20, attributes: { align_corners: int(align) } }),
])

/** Places in [-1.3, 1.3] whose distance from every pixel centre and edge of the sizes used is clear of the step. */
const places =
  (size: number, aligned: boolean): Draw =>
  (random, count) =>
    Float32Array.from({ length: count }, () => {
      for (;;) {
        const value = random.uniform(-1.4, 1.4)
        const place = aligned ? ((value + 1) / 2) * (size - 1) : ((value + 1) * size - 1) / 2
        const part = (((2 * place) % 1) + 1) % 1
        if (part > 0.1 && part < 0.9) return value
      }
    })

const samplings = ['linear', 'nearest', 'cubic'].flatMap((mode) =>
  ['zeros', 'border', 'reflection'].flatMap((padding) =>
    [0, 1].flatMap((align) => {
      const attributes = { mode: text(mode), padding_mode: text(padding), align_corners: int(align) }
      const drawn = places(4, align === 1)
      return [
        use('GridSample', [x([2, 3, 4, 4]), x([2, 3, 2, 2], drawn)], { attributes }),
        ...(mode === 'cubic'
          ? []
          : [use('GridSample', [x([1, 2, 4, 4, 4]), x([1, 2, 3, 2, 3], drawn)], { attributes })]),
      ]
    }),
  ),
)

const flat = use('GridSample', [x([1, 2, 1, 4]), x([1, 3, 2, 2], places(4, true))], {
  attributes: { padding_mode: text('reflection'), align_corners: int(1) },
  note: 'an axis without length',
})

export const resizingCases: readonly OperatorCase[] = [...resizes, ...older, ...samplings, flat, ...grids]
