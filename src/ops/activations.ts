/** Activation functions. x is the input, y the output, g the output's gradient. */
import { floatAttribute, stringAttribute } from '../graph/graph.js'
import { keepWhere, sameType } from './elementwise.js'
import { unaryFold } from './fold.js'
import {
  broadcast,
  type Emitter,
  expanded,
  type GradientContext,
  type InferContext,
  type Operator,
  rule,
} from './operator.js'

const mul = (g: Emitter, a: string, b: string) => g.op('Mul', [a, b])
const add = (g: Emitter, a: string, b: string) => g.op('Add', [a, b])
const sub = (g: Emitter, a: string, b: string) => g.op('Sub', [a, b])

function activation(gradient: (c: GradientContext, g: Emitter) => string): Operator {
  return { infer: sameType, gradient: rule((c) => [gradient(c, c.g)]) }
}

/** g where x > at, `other` elsewhere. */
function above(c: GradientContext, at: number, slope: string, other: string): string {
  const { g } = c
  return mul(g, c.grad(), g.op('Where', [g.op('Greater', [c.input(0), g.float(at)]), slope, other]))
}

/** HardSigmoid y = max(0, min(1, alpha x + beta)): alpha g where 0 < y < 1. */
function hardSigmoid(c: GradientContext, g: Emitter): string {
  const y = c.output()
  const inside = g.op('And', [g.op('Greater', [y, g.float(0)]), g.op('Less', [y, g.float(1)])])
  return keepWhere(g, inside, mul(g, c.grad(), g.float(floatAttribute(c.node, 'alpha', 0.2))))
}

/** HardSwish y = x HardSigmoid(x; 1/6, 1/2): derivative 0 below -3, 1 above 3, x / 3 + 1 / 2 between. */
function hardSwish(c: GradientContext, g: Emitter): string {
  const x = c.input(0)
  const slope = add(g, mul(g, x, g.float(1 / 3)), g.float(0.5))
  const inner = g.op('Where', [g.op('Less', [x, g.float(3)]), slope, g.float(1)])
  return mul(g, c.grad(), keepWhere(g, g.op('Greater', [x, g.float(-3)]), inner))
}

const SELU = { alpha: 1.6732632423543772, gamma: 1.0507009873554805 }

/** y = gamma x above zero, gamma alpha (e^x - 1) elsewhere: gamma, or y + gamma alpha. */
function exponentialRule(c: GradientContext, gamma: number, alpha: number): string {
  const { g } = c
  return above(c, 0, g.float(gamma), add(g, c.output(), g.float(gamma * alpha)))
}

/** With t = tanh(softplus(x)), y = x t: t + x (1 - t^2) sigmoid(x). */
function mish(c: GradientContext, g: Emitter): string {
  const x = c.input(0)
  const t = g.op('Tanh', [g.op('Softplus', [x])])
  const inner = mul(g, mul(g, x, g.op('Sigmoid', [x])), sub(g, g.float(1), mul(g, t, t)))
  return mul(g, c.grad(), add(g, t, inner))
}

/** y = x P(x) with the normal distribution P, exactly or by tanh: P + x P'. */
function gelu(c: GradientContext, g: Emitter): string {
  const x = c.input(0)
  const square = mul(g, x, x)
  if (stringAttribute(c.node, 'approximate', 'none') === 'tanh') {
    // P = (1 + t) / 2, t = tanh(u), u = k (x + a x^3), u' = k (1 + 3 a x^2)
    const [k, a] = [Math.sqrt(2 / Math.PI), 0.044715]
    const polynomial = (factor: number) => add(g, mul(g, square, g.float(k * factor)), g.float(k))
    const t = g.op('Tanh', [mul(g, x, polynomial(a))])
    const slope = mul(g, mul(g, sub(g, g.float(1), mul(g, t, t)), x), polynomial(3 * a))
    const twice = add(g, add(g, t, slope), g.float(1))
    return mul(g, mul(g, c.grad(), twice), g.float(0.5))
  }
  const P = add(g, mul(g, g.op('Erf', [mul(g, x, g.float(Math.SQRT1_2))]), g.float(0.5)), g.float(0.5))
  const density = mul(g, g.op('Exp', [mul(g, square, g.float(-0.5))]), g.float(1 / Math.sqrt(2 * Math.PI)))
  return mul(g, c.grad(), add(g, P, mul(g, x, density)))
}

function inferPRelu(c: InferContext) {
  const [{ type, shape }, slope] = [c.type(0), c.shape(1)]
  const joined = broadcast(shape, slope)
  if (joined?.length !== shape.length || joined.some((d, i) => d !== shape[i]))
    return c.fail(`has slopes of shape (${slope}), which do not broadcast to its input's (${shape})`)
  return [{ type, shape }]
}

export const activations = {
  Relu: {
    infer: sameType,
    fold: unaryFold((x) => Math.max(x, 0)),
    gradient: rule(({ g, grad, output }) => [keepWhere(g, g.op('Greater', [output(), g.float(0)]), grad())]),
  },
  // sigmoid' = y (1 - y)
  Sigmoid: {
    infer: sameType,
    fold: unaryFold((x) => 1 / (1 + Math.exp(-x))),
    gradient: rule(({ g, grad, output }) => [mul(g, grad(), mul(g, output(), sub(g, g.float(1), output())))]),
  },
  // tanh' = 1 - y^2
  Tanh: {
    infer: sameType,
    fold: unaryFold(Math.tanh),
    gradient: rule(({ g, grad, output }) => [mul(g, grad(), sub(g, g.float(1), mul(g, output(), output())))]),
  },
  // softplus' = sigmoid(x)
  Softplus: {
    infer: sameType,
    fold: unaryFold((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
    gradient: rule(({ g, grad, input }) => [mul(g, grad(), g.op('Sigmoid', [input(0)]))]),
  },
  LeakyRelu: activation((c, g) => {
    const slope = g.float(floatAttribute(c.node, 'alpha', 0.01))
    return g.op('Where', [g.op('Greater', [c.input(0), g.float(0)]), c.grad(), mul(g, c.grad(), slope)])
  }),
  // y = x, or slope x where x <= 0
  PRelu: {
    infer: inferPRelu,
    gradient: rule((c) => {
      const { g } = c
      return [
        c.needs(0) ? above(c, 0, g.float(1), c.input(1)) : undefined,
        c.needs(1) ? mul(g, c.grad(), g.op('Min', [c.input(0), g.float(0)])) : undefined,
      ]
    }),
  },
  Elu: activation((c) => exponentialRule(c, 1, floatAttribute(c.node, 'alpha', 1))),
  Selu: activation((c) =>
    exponentialRule(c, floatAttribute(c.node, 'gamma', SELU.gamma), floatAttribute(c.node, 'alpha', SELU.alpha)),
  ),
  // y = max(0, x) + min(0, alpha (e^(x / alpha) - 1)): 1, or y / alpha + 1
  Celu: activation((c, g) => {
    const alpha = floatAttribute(c.node, 'alpha', 1)
    return above(c, 0, g.float(1), add(g, mul(g, c.output(), g.float(1 / alpha)), g.float(1)))
  }),
  HardSigmoid: activation(hardSigmoid),
  HardSwish: activation(hardSwish),
  Mish: activation(mish),
  Gelu: activation(gelu),
  // y = x sigmoid(alpha x), which onnxruntime has no kernel for in the canonical opset
  Swish: expanded('Mul, Sigmoid', (c) => {
    const { g } = c
    const x = c.inputs[0] as string
    const alpha = floatAttribute(c.node, 'alpha', 1)
    return [mul(g, x, g.op('Sigmoid', [alpha === 1 ? x : mul(g, x, g.float(alpha))]))]
  }),
  // y = x / (1 + |x|)
  Softsign: activation((c, g) => {
    const d = add(g, g.op('Abs', [c.input(0)]), g.float(1))
    return g.op('Div', [c.grad(), mul(g, d, d)])
  }),
  ThresholdedRelu: activation((c, g) =>
    keepWhere(g, g.op('Greater', [c.input(0), g.float(floatAttribute(c.node, 'alpha', 1))]), c.grad()),
  ),
  // 0 within lambd of zero, moved by bias towards zero outside
  Shrink: activation((c, g) =>
    keepWhere(g, g.op('Greater', [g.op('Abs', [c.input(0)]), g.float(floatAttribute(c.node, 'lambd', 0.5))]), c.grad()),
  ),
} as const satisfies Record<string, Operator>
