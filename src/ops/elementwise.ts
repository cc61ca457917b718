/** Element-wise arithmetic. g is the gradient of the output, y the output. */
import { attr, floatAttribute, intAttribute, type StaticType } from '../graph/graph.js'
import { ELEMENT_TYPES, float32, type Tensor, toNumbers } from '../graph/tensor.js'
import { binaryFold, broadcastTo, result, unaryFold } from './fold.js'
import {
  broadcast,
  type Emitter,
  type GradientContext,
  type GradientRule,
  type InferContext,
  none,
  type Operator,
  rule,
  type UpgradeContext,
} from './operator.js'

export const sameType = (c: InferContext): readonly StaticType[] => [c.type(0)]

/** All inputs broadcast together; the output has the first input's element type. */
export function inferBroadcast(c: InferContext): readonly StaticType[] {
  let shape = [...c.shape(0)]
  for (let i = 1; i < c.node.inputs.length; i++) {
    const next = broadcast(shape, c.shape(i))
    if (!next) return c.fail(`cannot broadcast shapes (${shape}) and (${c.shape(i)})`)
    shape = next
  }
  return [{ type: c.type(0).type, shape }]
}

function unary(f: (x: number) => number, derivative: (c: GradientContext) => string): Operator {
  return { infer: sameType, fold: unaryFold(f), gradient: rule((c) => [derivative(c)]) }
}

function binary(f: (x: number, y: number) => number, gradient: GradientRule): Operator {
  return { infer: inferBroadcast, fold: binaryFold(f), gradient: rule(gradient) }
}

const flat = (f: (x: number) => number): Operator => ({
  infer: sameType,
  fold: unaryFold(f),
  gradient: none('piecewise constant: the derivative is zero almost everywhere'),
})

const mul = (g: Emitter, a: string, b: string) => g.op('Mul', [a, b])
const div = (g: Emitter, a: string, b: string) => g.op('Div', [a, b])
const sub = (g: Emitter, a: string, b: string) => g.op('Sub', [a, b])
const neg = (g: Emitter, a: string) => g.op('Neg', [a])

/** g where the condition (a bool value) holds, else 0. A product with 0 and 1 takes half the time of onnxruntime's Where. */
export const keepWhere = (g: Emitter, condition: string, value: string) =>
  mul(g, value, g.op('Cast', [condition], { to: attr.int(1) }))

/** The gradient passed where the condition holds; ties between several inputs go to each of them in equal parts. */
function extremeRule(c: GradientContext): readonly (string | undefined)[] {
  const { g, node } = c
  const y = c.output()
  const hits = node.inputs.map((input) => g.op('Cast', [g.op('Equal', [input, y])], { to: attr.int(1) }))
  if (hits.length === 1) return [c.grad()]
  const count = hits.slice(1).reduce((sum, hit) => g.op('Add', [sum, hit]), hits[0] as string)
  const share = div(g, c.grad(), count)
  return hits.map((hit, i) => (c.needs(i) ? mul(g, share, hit) : undefined))
}

function variadicFold(f: (values: readonly number[]) => number): NonNullable<Operator['fold']> {
  return (inputs, _node, types) => {
    const shape = types[0]?.shape ?? []
    const columns = inputs.map((input) => broadcastTo(input as Tensor, shape))
    return result(
      types[0],
      (columns[0] as number[]).map((_, i) => f(columns.map((column) => column[i] as number))),
    )
  }
}

/** Clip of opset 6 takes its bounds as attributes. */
function upgradeClip(c: UpgradeContext): readonly string[] {
  if (c.opset >= 11) return c.emit(c.inputs, {})
  const low = c.node.attributes.has('min') ? c.g.float(floatAttribute(c.node, 'min', 0)) : ''
  const high = c.node.attributes.has('max') ? c.g.float(floatAttribute(c.node, 'max', 0)) : ''
  return c.emit([c.inputs[0] as string, low, high], {})
}

/**
 * Clip(x, low, high) = min(max(x, low), high) passes the gradient strictly inside the bounds. Read from the output, so that
 * the input need not be kept: y is strictly inside exactly when x is. A bound that trains gets the gradient of what it
 * cuts off; where the bounds cross, everything is cut off by the upper one.
 */
function clipRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const [x, y] = [c.input(0), c.output()]
  const bound = (i: number) => (c.has(i) ? c.input(i) : undefined)
  const [low, high] = [bound(1), bound(2)]
  const forInput = () => {
    const above = low === undefined ? undefined : g.op('Greater', [y, low])
    const below = high === undefined ? undefined : g.op('Less', [y, high])
    const inside = above && below ? g.op('And', [above, below]) : (above ?? below)
    return inside ? keepWhere(g, inside, c.grad()) : c.grad()
  }
  const forLow = (bound: string) => {
    const cut = g.op('Less', [x, bound])
    return keepWhere(g, high === undefined ? cut : g.op('And', [cut, g.op('Less', [bound, high])]), c.grad())
  }
  const forHigh = (bound: string) => {
    const raised = low === undefined ? x : g.op('Max', [x, low])
    return keepWhere(g, g.op('Greater', [raised, bound]), c.grad())
  }
  return [
    c.needs(0) ? forInput() : undefined,
    low !== undefined && c.needs(1) ? forLow(low) : undefined,
    high !== undefined && c.needs(2) ? forHigh(high) : undefined,
  ]
}

/** In inference Dropout is the identity; its mask is 0 everywhere before opset 12 and true since, as onnxruntime gives it. */
function upgradeDropout(c: UpgradeContext): readonly string[] {
  const x = c.inputs[0] as string
  const mode = c.inputs[2] ?? ''
  const training = mode === '' ? false : c.g.valueOf(mode)?.data[0] !== 0
  // Training mode that drops nothing is the identity too.
  const ratio = (c.inputs[1] ?? '') === '' ? 0.5 : c.g.valueOf(c.inputs[1] as string)?.data[0]
  if (training && ratio !== 0) return c.refuse('is exported in training mode; export the model in evaluation mode')
  const y = c.g.op('Identity', [x], {}, { outputs: [c.node.outputs[0] as string] })
  const mask: Tensor =
    c.opset < 10 ? float32([1], [0]) : { type: 'bool', dims: [1], data: Uint8Array.of(c.opset < 12 ? 0 : 1) }
  return [y, c.g.op('ConstantOfShape', [c.g.ints(c.g.shape(x))], { value: attr.tensor(mask) })]
}

/**
 * x^p: p x^(p-1) g and, for the exponent, ln(x) y g (0 where x <= 0, as in PyTorch at x = 0). A known exponent takes a
 * product where one is enough, and x^0 has no slope even at x = 0, where p x^(p-1) is not a number.
 */
function powRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const [x, p] = [c.input(0), c.input(1)]
  const known = c.needs(1) ? undefined : g.valueOf(p)
  const exponents = known && toNumbers(known)
  const single = exponents?.length === 1 ? exponents[0] : undefined
  const float = g.typeOf(p).type === g.typeOf(x).type ? p : g.op('Cast', [p], { to: attr.int(1) })
  const slope = () => {
    if (single === 2) return mul(g, x, g.float(2))
    const power = mul(g, float, g.op('Pow', [x, sub(g, float, g.float(1))]))
    return exponents && !exponents.includes(0)
      ? power
      : g.op('Where', [g.op('Equal', [float, g.float(0)]), g.float(0), power])
  }
  const forBase = () => (single === 1 ? c.grad() : mul(g, c.grad(), slope()))
  const forExponent = () => {
    const positive = g.op('Greater', [x, g.float(0)])
    const log = g.op('Log', [g.op('Where', [positive, x, g.float(1)])])
    return mul(g, c.grad(), mul(g, c.output(), log))
  }
  return [c.needs(0) ? forBase() : undefined, c.needs(1) ? forExponent() : undefined]
}

export const elementwise = {
  Add: binary(
    (x, y) => x + y,
    (c) => [c.grad(), c.grad()],
  ),
  Sub: binary(
    (x, y) => x - y,
    (c) => [c.grad(), c.needs(1) ? neg(c.g, c.grad()) : undefined],
  ),
  Mul: binary(
    (x, y) => x * y,
    (c) => [
      c.needs(0) ? mul(c.g, c.grad(), c.input(1)) : undefined,
      c.needs(1) ? mul(c.g, c.grad(), c.input(0)) : undefined,
    ],
  ),
  // d(a / b) = g / b, -g y / b
  Div: {
    infer: inferBroadcast,
    fold: (inputs, node, types) => {
      const integer = types[0]?.type !== 'float32' && types[0]?.type !== 'float64'
      return binaryFold(integer ? (x, y) => Math.trunc(x / y) : (x, y) => x / y)(inputs, node, types)
    },
    gradient: rule((c) => {
      const { g } = c
      const scaled = div(g, c.grad(), c.input(1))
      return [scaled, c.needs(1) ? neg(g, mul(g, scaled, c.output())) : undefined]
    }),
  },
  Pow: {
    infer: inferBroadcast,
    // onnxruntime takes exponents of these types only.
    upgrade: (c) => {
      const [x, p] = c.inputs as readonly [string, string]
      const taken = ['float32', 'int32', 'int64'].includes(c.g.typeOf(p).type)
      return c.emit([x, taken ? p : c.g.op('Cast', [p], { to: attr.int(ELEMENT_TYPES.float32) })], {})
    },
    fold: binaryFold((x, y) => x ** y),
    gradient: rule(powRule),
  },
  Min: { infer: inferBroadcast, fold: variadicFold((v) => Math.min(...v)), gradient: rule(extremeRule) },
  Max: { infer: inferBroadcast, fold: variadicFold((v) => Math.max(...v)), gradient: rule(extremeRule) },
  Sum: {
    infer: inferBroadcast,
    fold: variadicFold((v) => v.reduce((a, b) => a + b, 0)),
    gradient: rule((c) => c.node.inputs.map(() => c.grad())),
  },
  Mean: {
    infer: inferBroadcast,
    fold: variadicFold((v) => v.reduce((a, b) => a + b, 0) / v.length),
    gradient: rule((c) => {
      const share = mul(c.g, c.grad(), c.g.float(1 / c.node.inputs.length))
      return c.node.inputs.map(() => share)
    }),
  },
  Neg: unary(
    (x) => -x,
    (c) => neg(c.g, c.grad()),
  ),
  Abs: unary(Math.abs, (c) => mul(c.g, c.grad(), c.g.op('Sign', [c.input(0)]))),
  // d sqrt(x) = g / (2 y)
  Sqrt: unary(Math.sqrt, (c) => div(c.g, c.grad(), mul(c.g, c.output(), c.g.float(2)))),
  Exp: unary(Math.exp, (c) => mul(c.g, c.grad(), c.output())),
  Log: unary(Math.log, (c) => div(c.g, c.grad(), c.input(0))),
  // d(1 / x) = -g y^2
  Reciprocal: unary(
    (x) => 1 / x,
    (c) => neg(c.g, mul(c.g, c.grad(), mul(c.g, c.output(), c.output()))),
  ),
  // erf' = 2 / sqrt(pi) exp(-x^2)
  Erf: {
    infer: sameType,
    gradient: rule(({ g, grad, input }) => {
      const square = mul(g, input(0), input(0))
      return [mul(g, grad(), mul(g, g.op('Exp', [neg(g, square)]), g.float(2 / Math.sqrt(Math.PI))))]
    }),
  },
  Clip: {
    infer: sameType,
    upgrade: upgradeClip,
    fold: ([x, low, high], _node, [type]) => {
      const from = low ? (toNumbers(low)[0] as number) : Number.NEGATIVE_INFINITY
      const to = high ? (toNumbers(high)[0] as number) : Number.POSITIVE_INFINITY
      return result(
        type,
        toNumbers(x as Tensor).map((v) => Math.min(Math.max(v, from), to)),
      )
    },
    gradient: rule(clipRule),
  },
  Identity: { infer: sameType, fold: ([x]) => [x as Tensor], gradient: rule((c) => [c.grad()]) },
  Dropout: {
    infer: (c) => [c.type(0), { type: 'bool', shape: c.shape(0) }],
    upgrade: upgradeDropout,
    gradient: rule((c) => [c.grad()]),
  },
  Floor: flat(Math.floor),
  Ceil: flat(Math.ceil),
  Round: flat(roundHalfEven),
  Sign: flat(Math.sign),
  // fmod = 1: x - trunc(x / y) y; otherwise the sign follows the divisor.
  Mod: {
    infer: inferBroadcast,
    fold: (inputs, node, types) => {
      const fmod = intAttribute(node, 'fmod', 0) === 1
      return binaryFold((x, y) => (fmod ? x % y : x - Math.floor(x / y) * y))(inputs, node, types)
    },
    gradient: rule((c) => {
      const { g } = c
      // (x - y) / b is a whole number up to rounding, and agrees with y where x / b itself is close to one.
      const whole = () => g.op('Round', [div(g, sub(g, c.input(0), c.output()), c.input(1))])
      return [c.grad(), c.needs(1) ? neg(g, mul(g, c.grad(), whole())) : undefined]
    }),
  },
} as const satisfies Record<string, Operator>

function roundHalfEven(x: number): number {
  const floor = Math.floor(x)
  const rest = x - floor
  if (rest !== 0.5) return Math.round(x)
  return floor % 2 === 0 ? floor : floor + 1
}
