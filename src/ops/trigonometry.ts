/** Trigonometric and hyperbolic functions and their inverses. x is the input, y the output, g the output's gradient. */
import { sameType } from './elementwise.js'
import { unaryFold } from './fold.js'
import { type Emitter, type GradientContext, type Operator, rule } from './operator.js'

const smooth = (f: (x: number) => number, gradient: (c: GradientContext, g: Emitter) => string): Operator => ({
  infer: sameType,
  fold: unaryFold(f),
  gradient: rule((c) => [gradient(c, c.g)]),
})

const square = (g: Emitter, a: string) => g.op('Mul', [a, a])

/** g / sqrt(a + sign x^2) */
const overRoot = (c: GradientContext, g: Emitter, a: number, sign: 1 | -1): string => {
  const inner = g.op(sign === 1 ? 'Add' : 'Sub', [g.float(a), square(g, c.input(0))])
  return g.op('Div', [c.grad(), g.op('Sqrt', [inner])])
}

export const trigonometry = {
  Sin: smooth(Math.sin, (c, g) => g.op('Mul', [c.grad(), g.op('Cos', [c.input(0)])])),
  Cos: smooth(Math.cos, (c, g) => g.op('Neg', [g.op('Mul', [c.grad(), g.op('Sin', [c.input(0)])])])),
  // tan' = 1 + y^2
  Tan: smooth(Math.tan, (c, g) => g.op('Mul', [c.grad(), g.op('Add', [square(g, c.output()), g.float(1)])])),
  // asin' = 1 / sqrt(1 - x^2), acos' = -asin'
  Asin: smooth(Math.asin, (c, g) => overRoot(c, g, 1, -1)),
  Acos: smooth(Math.acos, (c, g) => g.op('Neg', [overRoot(c, g, 1, -1)])),
  // atan' = 1 / (1 + x^2)
  Atan: smooth(Math.atan, (c, g) => g.op('Div', [c.grad(), g.op('Add', [square(g, c.input(0)), g.float(1)])])),
  Sinh: smooth(Math.sinh, (c, g) => g.op('Mul', [c.grad(), g.op('Cosh', [c.input(0)])])),
  Cosh: smooth(Math.cosh, (c, g) => g.op('Mul', [c.grad(), g.op('Sinh', [c.input(0)])])),
  // asinh' = 1 / sqrt(1 + x^2)
  Asinh: smooth(Math.asinh, (c, g) => overRoot(c, g, 1, 1)),
  // acosh' = 1 / sqrt(x^2 - 1), written as a product so that large x lose no digits
  Acosh: smooth(Math.acosh, (c, g) => {
    const x = c.input(0)
    const product = g.op('Mul', [g.op('Sub', [x, g.float(1)]), g.op('Add', [x, g.float(1)])])
    return g.op('Div', [c.grad(), g.op('Sqrt', [product])])
  }),
  // atanh' = 1 / (1 - x^2)
  Atanh: smooth(Math.atanh, (c, g) => g.op('Div', [c.grad(), g.op('Sub', [g.float(1), square(g, c.input(0))])])),
} as const satisfies Record<string, Operator>
