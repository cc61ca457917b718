/** onnxruntime's fused normalisations, convolutions and pools. */
import { type Attribute, attr } from '#graft/graph/graph.js'
import { MICROSOFT } from '#graft/ops/operator.js'
import { avoiding } from '../../support/draw.js'
import {
  type CaseInput,
  type CaseOptions,
  float,
  int,
  list,
  type OperatorCase,
  omitted,
  text,
  use,
  whole,
  x,
} from './case.js'

const fused = (opType: string, inputs: readonly CaseInput[], options: CaseOptions = {}): OperatorCase =>
  use(opType, inputs, { domain: MICROSOFT, ...options })

const skips = [
  fused('SkipLayerNormalization', [x([2, 3, 4]), x([2, 3, 4]), x([4]), x([4]), x([4])], { outputs: 4 }),
  fused('SkipLayerNormalization', [x([2, 3, 4]), x([2, 3, 4]), x([4])], { attributes: { epsilon: float(0.1) } }),
  fused('SkipLayerNormalization', [x([2, 3, 4]), x([1, 3, 4]), x([4]), omitted, x([4])]),
  fused('SkipLayerNormalization', [x([2, 3, 4]), x([3, 4]), x([4]), x([4])]),
  fused('SkipSimplifiedLayerNormalization', [x([2, 3, 4]), x([2, 3, 4]), x([4])], {
    attributes: { epsilon: float(0.05) },
  }),
  fused('SkipSimplifiedLayerNormalization', [x([2, 3, 4]), x([1, 3, 4]), x([4]), x([4])]),
]

const ids = whole([2, 3], [1, 2, 3, 0, 1, 4], 'int32')
const segments = whole([2, 3], [0, 0, 1, 1, 1, 0], 'int32')
const mask = whole([2, 3], [1, 1, 0, 1, 1, 1], 'int32')
const embeddings = [
  fused('EmbedLayerNormalization', [ids, segments, x([6, 4]), x([5, 4]), x([2, 4]), x([4]), x([4]), mask], {
    outputs: 3,
  }),
  fused('EmbedLayerNormalization', [ids, omitted, x([6, 4]), x([5, 4]), omitted, x([4]), x([4])], {
    attributes: { epsilon: float(0.1) },
    outputs: 2,
  }),
  fused(
    'EmbedLayerNormalization',
    [
      ids,
      segments,
      x([6, 4]),
      x([5, 4]),
      x([2, 4]),
      x([4]),
      x([4]),
      omitted,
      whole([2, 3], [2, 1, 0, 4, 4, 1], 'int32'),
    ],
    { outputs: 2, attributes: { mask_index_type: int(0) } },
  ),
]

const convolution = (
  activation: string,
  parameters: readonly number[] = [],
  extra: Record<string, Attribute> = {},
) => ({
  attributes: {
    activation: text(activation),
    ...(parameters.length > 0 ? { activation_params: attr.floats(parameters) } : {}),
    ...extra,
  },
})
const inputs = [x([1, 2, 4, 4]), x([2, 2, 3, 3])]
const convolutions = [
  fused('FusedConv', inputs),
  fused('FusedConv', [...inputs, x([2])], convolution('Sigmoid')),
  fused('FusedConv', [...inputs, x([2]), x([1, 2, 2, 2])], convolution('Tanh')),
  fused('FusedConv', [...inputs, x([2]), x([1, 2, 4, 4])], {
    ...convolution('Tanh', [], { pads: list(1, 1, 1, 1) }),
    note: 'with a sum',
  }),
  ...['SAME_UPPER', 'SAME_LOWER', 'VALID'].map((mode) =>
    fused('FusedConv', inputs, convolution('Sigmoid', [], { auto_pad: text(mode), strides: list(2, 1) })),
  ),
  // Kinks are away from what these give.
  fused('FusedConv', [x([1, 1, 1, 1], avoiding(0)), x([3, 1, 1, 1], avoiding(0))], convolution('Relu')),
  fused('FusedConv', [x([1, 1, 1, 1], avoiding(0)), x([5, 1, 1, 1], avoiding(0))], convolution('LeakyRelu', [0.2])),
  fused('FusedConv', [x([1, 1, 1, 1], avoiding(0)), x([5, 1, 1, 1], avoiding(0))], convolution('Clip', [-40, 50])),
  fused('FusedConv', [...inputs], convolution('HardSigmoid', [0.01, 0.5])),
]

/** The numbers 0.1, 0.4, 0.9 ...: what onnxruntime has no kernel for is compared with formulas of them. */
const squares = (dims: readonly number[]): CaseInput => ({
  kind: 'vary',
  dims,
  draw: (_random, size) => Float32Array.from({ length: size }, (_, i) => square(i)),
})
const square = (i: number) => (i + 1) ** 2 / 10

/** Two groups of one channel each, over the positions of one sample, channels last. */
const grouped = (values: readonly number[], silu: boolean): number[] => {
  const statistics = [0, 1].map((channel) => {
    const own = values.filter((_, i) => i % 2 === channel)
    const mean = own.reduce((a, v) => a + v, 0) / own.length
    const variance = own.reduce((a, v) => a + (v - mean) ** 2, 0) / own.length
    return { mean, deviation: Math.sqrt(variance + 1e-5) }
  })
  return values.map((v, i) => {
    const { mean, deviation } = statistics[i % 2] as { mean: number; deviation: number }
    // Scale and bias are the same numbers as x begins with.
    const y = ((v - mean) / deviation) * square(i % 2) + square(i % 2)
    return silu ? y / (1 + Math.exp(-y)) : y
  })
}
const six = [0, 1, 2, 3, 4, 5].map(square)
/** Values of (1, 3, 2) as (1, 2, 3), and back. */
const turned = (order: readonly number[], values: readonly number[]) => order.map((i) => values[i] as number)
const toLast = [0, 3, 1, 4, 2, 5]
const toFirst = [0, 2, 4, 1, 3, 5]

const withoutKernel = [
  fused('GroupNorm', [squares([1, 1, 3, 2]), squares([2]), squares([2])], {
    attributes: { groups: int(2), activation: int(0) },
    expected: [grouped(six, false)],
  }),
  fused('GroupNorm', [squares([1, 1, 3, 2]), squares([2]), squares([2])], {
    attributes: { groups: int(2), activation: int(1) },
    expected: [grouped(six, true)],
  }),
  fused('GroupNorm', [squares([1, 2, 1, 3]), squares([2]), squares([2])], {
    attributes: { groups: int(2), activation: int(0), channels_last: int(0) },
    expected: [turned(toFirst, grouped(turned(toLast, six), false))],
  }),
  fused('SkipGroupNorm', [squares([1, 1, 3, 2]), squares([2]), squares([2]), squares([1, 1, 3, 2])], {
    attributes: { groups: int(2), activation: int(0) },
    outputs: 2,
    expected: ((sum) => [grouped(sum, false), sum])(six.map((v) => 2 * v)),
  }),
  fused('SkipGroupNorm', [squares([1, 1, 3, 2]), squares([2]), squares([2]), squares([1, 2]), squares([2])], {
    attributes: { groups: int(2), activation: int(1) },
    outputs: 2,
    expected: ((sum) => [grouped(sum, true), sum])(six.map((v, i) => v + 2 * square(i % 2))),
  }),
  // onnxruntime has it for integers only.
  fused('NhwcMaxPool', [squares([1, 2, 2, 2])], { attributes: { kernel_shape: list(2, 2) }, expected: [[4.9, 6.4]] }),
  fused('NhwcMaxPool', [squares([1, 1, 3, 2])], {
    attributes: { kernel_shape: list(1, 2), strides: list(1, 1) },
    expected: [[0.9, 1.6, 2.5, 3.6]],
  }),
  fused('NhwcMaxPool', [squares([1, 1, 3, 2])], {
    attributes: { kernel_shape: list(1, 2), auto_pad: text('SAME_UPPER') },
    expected: [[0.9, 1.6, 2.5, 3.6, 2.5, 3.6]],
  }),
  fused('NhwcFusedConv', [squares([1, 1, 2, 2]), squares([1, 2, 1, 1])], {
    ...convolution('Relu'),
    expected: [[0.1 * 0.1 + 0.4 * 0.4, 0.9 * 0.1 + 1.6 * 0.4]],
  }),
  fused('NhwcFusedConv', [squares([1, 1, 2, 2]), squares([1, 2, 1, 1]), squares([1]), squares([1, 1, 2, 1])], {
    expected: [[0.1 * 0.1 + 0.4 * 0.4 + 0.1 + 0.1, 0.9 * 0.1 + 1.6 * 0.4 + 0.1 + 0.4]],
  }),
]

export const fusedWindowCases: readonly OperatorCase[] = [...skips, ...embeddings, ...convolutions, ...withoutKernel]
