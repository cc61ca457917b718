/** Activations. */
import { avoiding, between } from '../../support/draw.js'
import { float, type OperatorCase, plain, text, use, x } from './case.js'
import { unary } from './elementwise.js'

const wide = [plain([8], [-90, -20, -5, -0.5, 0.5, 5, 20, 90])]

export const activationCases: readonly OperatorCase[] = [
  ...unary('Relu', avoiding(0)),
  ...unary('Sigmoid'),
  ...unary('Tanh'),
  ...unary('Softplus'),
  use('Softplus', [plain([4], [-200, -20, 20, 200])], { note: 'far out' }),
  ...unary('LeakyRelu', avoiding(0), { alpha: float(0.3) }, { alpha: float(-0.2) }),
  ...unary('HardSigmoid', avoiding(-2.5, 2.5)),
  use('HardSigmoid', [x([2, 3, 5], avoiding(-3, 3))], { attributes: { alpha: float(1 / 6), beta: float(0.5) } }),
  use('HardSigmoid', [x([9], avoiding(-0.5, 2))], { attributes: { alpha: float(0.4), beta: float(0.2) } }),
  ...unary('HardSwish', avoiding(-3, 3)),
  use('PRelu', [x([2, 3, 4], avoiding(0)), x([3, 1])]),
  use('PRelu', [x([2, 3, 4], avoiding(0)), x([1])]),
  use('PRelu', [x([2, 3, 4], avoiding(0)), x([])]),
  use('PRelu', [x([5, 4], avoiding(0)), x([5, 4])]),
  ...unary('Elu', avoiding(0), { alpha: float(0.4) }, { alpha: float(1.7) }),
  ...unary('Selu', avoiding(0), { alpha: float(1.2), gamma: float(0.7) }),
  ...unary('Celu', avoiding(0), { alpha: float(0.4) }, { alpha: float(2.5) }),
  ...unary('Mish'),
  use('Mish', wide, { note: 'far out' }),
  ...unary('Gelu', undefined, { approximate: text('tanh') }, { approximate: text('none') }),
  use('Gelu', wide, { note: 'far out' }),
  ...[undefined, 1, 1.7, -0.5].map((alpha) =>
    use('Swish', [x([2, 3, 5])], { opset: 24, attributes: alpha === undefined ? {} : { alpha: float(alpha) } }),
  ),
  ...unary('Softsign'),
  ...unary('ThresholdedRelu', avoiding(0.3, 1), { alpha: float(0.3) }),
  ...unary('Shrink', avoiding(-0.5, 0.5, -1.2, 1.2), { lambd: float(1.2), bias: float(0.4) }, { bias: float(-0.3) }),
]

const inside = between(-0.9, 0.9)

export const trigonometryCases: readonly OperatorCase[] = [
  ...unary('Sin'),
  ...unary('Cos'),
  ...unary('Tan', between(-1.2, 1.2)),
  ...unary('Asin', inside),
  ...unary('Acos', inside),
  ...unary('Atan'),
  ...unary('Sinh'),
  ...unary('Cosh'),
  ...unary('Asinh'),
  ...unary('Acosh', between(1.2, 4)),
  ...unary('Atanh', inside),
]
