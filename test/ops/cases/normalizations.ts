/** Normalisation of every kind that the standard has. */
import { between } from '../../support/draw.js'
import { type CaseOptions, float, int, list, type OperatorCase, omitted, plain, use, x } from './case.js'

const batchNorm = (input: readonly number[], options: CaseOptions = {}) => {
  const channels = [input[1] as number]
  return use(
    'BatchNormalization',
    [x(input), x(channels), x(channels), x(channels), x(channels, between(0.5, 2))],
    options,
  )
}

const batch = [
  ...[
    [4, 3],
    [2, 3, 5],
    [2, 3, 4, 3],
    [2, 2, 3, 2, 2],
  ].map((dims) => batchNorm(dims)),
  batchNorm([2, 3, 4, 4], { attributes: { epsilon: float(0.1) } }),
]

const layer = [
  use('LayerNormalization', [x([3, 6]), x([6]), x([6])]),
  use('LayerNormalization', [x([2, 3, 5]), x([5]), omitted]),
  use('LayerNormalization', [x([2, 3, 5]), x([3, 5]), x([3, 5])], { attributes: { axis: int(1) } }),
  use('LayerNormalization', [x([2, 3, 5]), x([5]), x([5])], { attributes: { axis: int(-1), epsilon: float(0.05) } }),
  use('LayerNormalization', [x([2, 3, 5]), x([1, 5]), x([3, 1])], {
    attributes: { axis: int(-2) },
    note: 'scale and bias broadcast',
  }),
  use('LayerNormalization', [x([2, 3, 5]), x([5]), x([1])], { attributes: { axis: int(0) } }),
  use('LayerNormalization', [x([2, 3, 5]), x([5]), x([5])], { outputs: 3, note: 'mean and inverse deviation read' }),
  use('LayerNormalization', [x([2, 2, 4]), x([2, 4])], {
    attributes: { axis: int(1), epsilon: float(0.1), stash_type: int(1) },
    outputs: 3,
    note: 'mean and inverse deviation read',
  }),
]

const rootMeanSquare = [
  use('SimplifiedLayerNormalization', [x([3, 6]), x([6])]),
  use('SimplifiedLayerNormalization', [x([2, 3, 5]), x([3, 5])], {
    attributes: { axis: int(1), epsilon: float(0.05) },
    outputs: 2,
    note: 'inverse read',
  }),
  use('SimplifiedLayerNormalization', [x([2, 3, 5]), x([1])], { attributes: { axis: int(-2) } }),
  use('SimplifiedLayerNormalization', [x([2, 3, 5]), x([5])], { outputs: 2 }),
  use('RMSNormalization', [x([3, 6]), x([6])], { opset: 23 }),
  use('RMSNormalization', [x([2, 3, 5]), x([3, 5])], { opset: 23, attributes: { axis: int(1), epsilon: float(0.2) } }),
  use('RMSNormalization', [x([2, 3, 5]), x([2, 1, 5])], { opset: 24, attributes: { stash_type: int(1) } }),
]

const instance = [
  use('InstanceNormalization', [x([2, 3, 5]), x([3]), x([3])]),
  use('InstanceNormalization', [x([2, 3, 4, 3]), x([3]), x([3])], { attributes: { epsilon: float(0.05) } }),
  use('InstanceNormalization', [x([1, 2, 3, 2, 2]), x([2]), x([2])]),
  use('InstanceNormalization', [x([2, 2, 6]), plain([2], [1, 2]), plain([2], [0, 1])], {
    note: 'nothing but x varies',
  }),
]

const group = [
  ...[18, 20].map((opset) =>
    use('GroupNormalization', [x([2, 6, 4]), x([3]), x([3])], { attributes: { num_groups: int(3) }, opset }),
  ),
  ...[21, 23].map((opset) =>
    use('GroupNormalization', [x([2, 6, 4]), x([6]), x([6])], { attributes: { num_groups: int(3) }, opset }),
  ),
  use('GroupNormalization', [x([2, 4, 3, 2]), x([4]), x([4])], {
    attributes: { num_groups: int(1), epsilon: float(0.1), stash_type: int(1) },
  }),
  use('GroupNormalization', [x([1, 4, 2, 2, 3]), x([4]), x([4])], { attributes: { num_groups: int(4) } }),
]

const response = [
  use('LRN', [x([2, 6, 2, 3])], {
    attributes: { size: int(3), alpha: float(0.5), beta: float(0.75), bias: float(1) },
  }),
  use('LRN', [x([1, 4, 3, 2])], { attributes: { size: int(5), alpha: float(0.9), beta: float(0.5), bias: float(2) } }),
  use('LRN', [x([1, 7, 2, 2])], { attributes: { size: int(9), alpha: float(1.5), beta: float(1) } }),
  use('LRN', [x([2, 3, 2, 2])], { attributes: { size: int(1) } }),
]

const meanVariance = [
  use('MeanVarianceNormalization', [x([2, 3, 4, 3])]),
  use('MeanVarianceNormalization', [x([2, 3, 4, 3])], { attributes: { axes: list(2, 3) }, opset: 9 }),
  use('MeanVarianceNormalization', [x([2, 3, 4])], { attributes: { axes: list(0, -1) }, opset: 13 }),
  use('MeanVarianceNormalization', [x([2, 3, 4, 3])], { opset: 8 }),
  use('MeanVarianceNormalization', [x([2, 3, 4, 3])], { attributes: { across_channels: int(1) }, opset: 7 }),
  use('MeanVarianceNormalization', [x([2, 3, 4, 3])], { attributes: { normalize_variance: int(0) }, opset: 7 }),
]

export const normalizationCases: readonly OperatorCase[] = [
  ...batch,
  ...layer,
  ...rootMeanSquare,
  ...instance,
  ...group,
  ...response,
  ...meanVariance,
]
