/** onnxruntime's fused activations and products. */
import { float32 } from '#graft/graph/tensor.js'
import { MICROSOFT } from '#graft/ops/operator.js'
import { avoiding, between } from '../../support/draw.js'
import {
  type CaseInput,
  type CaseOptions,
  constant,
  float,
  int,
  type OperatorCase,
  omitted,
  plain,
  text,
  use,
  x,
} from './case.js'

const own = (opType: string, inputs: readonly CaseInput[], options: CaseOptions = {}): OperatorCase =>
  use(opType, inputs, { domain: MICROSOFT, ...options })

const bytes = (dims: readonly number[]): CaseInput =>
  constant({
    type: 'uint8',
    dims,
    data: Uint8Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => (i * 37 + 11) % 256),
  })

const activations = [
  ...[[7], [2, 3, 4]].map((dims) => own('Gelu', [x(dims)])),
  ...[[7], [2, 3, 4]].map((dims) => own('QuickGelu', [x(dims)])),
  own('QuickGelu', [x([5])], { attributes: { alpha: float(0.8) } }),
  own('FastGelu', [x([2, 3, 4])]),
  own('FastGelu', [x([2, 3, 4]), x([4])]),
  own('BiasGelu', [x([2, 3, 4]), x([4])]),
  own('BiasGelu', [x([3, 4]), x([4])]),
  own('BiasAdd', [x([2, 3, 4]), x([4]), x([2, 3, 4])], { expected: [] }),
  own('BiasAdd', [plain([1, 1, 2], [1, 2]), plain([2], [3, 5]), plain([1, 1, 2], [10, 20])], { expected: [[14, 27]] }),
  own('BiasAdd', [x([1, 5, 2]), x([2]), x([1, 5, 2])], { expected: [] }),
  own('BiasSoftmax', [x([2, 3, 4]), x([2, 1, 4])], {
    attributes: { axis: int(2), is_inner_broadcast: int(1) },
    expected: [],
  }),
  own('BiasSoftmax', [x([2, 3, 4]), x([1, 3, 4])], {
    attributes: { axis: int(1), is_inner_broadcast: int(0) },
    expected: [],
  }),
  own('BiasSoftmax', [plain([1, 2], [0.5, 1]), plain([1, 2], [0.5, 0])], {
    attributes: { axis: int(1), is_inner_broadcast: int(0) },
    expected: [[0.5, 0.5]],
  }),
]

const turned = (a: boolean, b: boolean, alpha = 1) => ({
  transA: int(a ? 1 : 0),
  transB: int(b ? 1 : 0),
  alpha: float(alpha),
})
const ways = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const

const products = [
  ...ways.map(([a, b]) =>
    own('TransposeMatMul', [x(a ? [2, 4, 3] : [2, 3, 4]), x(b ? [5, 4] : [4, 5])], { attributes: turned(a, b, 0.5) }),
  ),
  ...ways.map(([a, b]) =>
    own('FusedGemm', [x(a ? [4, 3] : [3, 4]), x(b ? [5, 4] : [4, 5]), x([5])], {
      attributes: { ...turned(a, b), activation: text('Tanh') },
    }),
  ),
  own('FusedGemm', [x([3, 4]), x([4, 5])], { attributes: { activation: text('Sigmoid') } }),
  own('FusedGemm', [x([3, 4], between(0.2, 1)), x([4, 5], between(0.2, 1)), x([3, 1], between(0.2, 1))], {
    attributes: {
      activation: text('LeakyRelu'),
      activation_alpha: float(0.3),
      alpha: float(-0.5),
      beta: float(-1),
    },
  }),
  own('FusedMatMulActivation', [x([2, 3, 4]), x([2, 5, 4])], {
    attributes: { ...turned(false, true), activation: text('Tanh') },
    expected: [],
  }),
  own('FusedMatMulActivation', [x([3, 4], avoiding(0)), x([4, 5])], { attributes: {}, expected: [] }),
  own('FusedMatMulActivation', [plain([1, 2], [1, -2]), plain([2, 2], [1, 2, 3, -4])], {
    attributes: { activation: text('LeakyRelu'), activation_alpha: float(0.5), activation_beta: float(7) },
    expected: [[-2.5, 10]],
  }),
]

const nBits = (
  K: number,
  N: number,
  block: number,
  bits: number,
  zeros: CaseInput = omitted,
  bias: CaseInput = omitted,
) => {
  const blocks = Math.ceil(K / block)
  return own(
    'MatMulNBits',
    [x([2, 3, K]), bytes([N, blocks, (block * bits) / 8]), x([N * blocks], between(0.02, 0.1)), zeros, omitted, bias],
    {
      attributes: { K: int(K), N: int(N), block_size: int(block), bits: int(bits) },
      note: `${bits} bits`,
    },
  )
}

const packed = [
  nBits(32, 4, 16, 4),
  nBits(40, 3, 16, 4),
  nBits(40, 3, 16, 4, bytes([3 * 2])),
  nBits(32, 4, 32, 8, omitted, x([4])),
  nBits(64, 2, 16, 4, constant(float32([8], [7, 8, 6, 9, 8, 8, 7.5, 8]))),
]

/** The first axis of an operand may stand behind its other batch axes; vectors have nothing to transpose. */
const batch = { transBatchA: int(1) }
const fused = (a: readonly number[], b: readonly number[], attributes: CaseOptions['attributes']): OperatorCase =>
  own('FusedMatMul', [x(a), x(b)], { opset: 17, ...(attributes ? { attributes } : {}) })
const batches = [
  fused([3, 2, 4], [2, 4, 5], batch),
  fused([4, 2, 3], [2, 4, 5], { ...batch, transA: int(1) }),
  fused([3, 2, 6, 4], [2, 6, 4, 5], batch),
  fused([3, 2, 4], [5, 2, 4], { ...batch, transBatchB: int(1), transB: int(1), alpha: float(0.5) }),
  fused([4], [2, 4, 5], { alpha: float(2) }),
  fused([4], [2, 3, 4], { transB: int(1) }),
]

export const microsoftFusedCases: readonly OperatorCase[] = [...activations, ...products, ...batches, ...packed]
