/**
 * The activations that LSTM, GRU and RNN name in an attribute, with their derivatives, and the clip in front of them. Spelled
 * out, because most have no operator of their own with these parameters.
 */
import { attr, floatAttribute, type Node } from '../../graph/graph.js'
import type { Emitter } from '../operator.js'

/** y = f(x) and dy/dx from x and y; the derivative may be a scalar that is the same everywhere. */
export interface Activation {
  value(g: Emitter, x: string): string
  slope(g: Emitter, x: string, y: string): string
}

interface Definition {
  /** alpha and beta where the node gives none, as onnxruntime has them; undefined for one that the function does not take. */
  readonly alpha?: number
  readonly beta?: number
  make(alpha: number, beta: number): Activation
}

const mul = (g: Emitter, a: string, b: string) => g.op('Mul', [a, b])
const add = (g: Emitter, a: string, b: string) => g.op('Add', [a, b])
const oneMinus = (g: Emitter, a: string) => g.op('Sub', [g.float(1), a])
const scaled = (g: Emitter, a: string, by: number) => (by === 1 ? a : mul(g, a, g.float(by)))
const shifted = (g: Emitter, a: string, by: number) => (by === 0 ? a : add(g, a, g.float(by)))
const where = (g: Emitter, condition: string) => g.op('Cast', [condition], { to: attr.int(1) })
const above = (g: Emitter, x: string, bound: number) => g.op('Greater', [x, g.float(bound)])
const below = (g: Emitter, x: string, bound: number) => g.op('Less', [x, g.float(bound)])
const between = (g: Emitter, x: string, low: number, high: number) =>
  where(g, g.op('And', [above(g, x, low), below(g, x, high)]))

const DEFINITIONS: Readonly<Record<string, Definition>> = {
  relu: {
    make: () => ({ value: (g, x) => g.op('Relu', [x]), slope: (g, _x, y) => where(g, above(g, y, 0)) }),
  },
  tanh: {
    make: () => ({ value: (g, x) => g.op('Tanh', [x]), slope: (g, _x, y) => oneMinus(g, mul(g, y, y)) }),
  },
  sigmoid: {
    make: () => ({ value: (g, x) => g.op('Sigmoid', [x]), slope: (g, _x, y) => mul(g, y, oneMinus(g, y)) }),
  },
  affine: {
    alpha: 0,
    beta: 0,
    make: (alpha, beta) => ({ value: (g, x) => shifted(g, scaled(g, x, alpha), beta), slope: (g) => g.float(alpha) }),
  },
  leakyrelu: {
    alpha: 0.01,
    make: (alpha) => ({
      value: (g, x) => g.op('LeakyRelu', [x], { alpha: attr.float(alpha) }),
      slope: (g, x) => g.op('Where', [above(g, x, 0), g.float(1), g.float(alpha)]),
    }),
  },
  thresholdedrelu: {
    alpha: 0,
    make: (alpha) => ({
      value: (g, x) => mul(g, x, where(g, above(g, x, alpha))),
      slope: (g, x) => where(g, above(g, x, alpha)),
    }),
  },
  // alpha tanh(beta x)
  scaledtanh: {
    alpha: 0,
    beta: 0,
    make: (alpha, beta) => ({
      value: (g, x) => scaled(g, g.op('Tanh', [scaled(g, x, beta)]), alpha),
      slope: (g, x) => {
        const t = g.op('Tanh', [scaled(g, x, beta)])
        return scaled(g, oneMinus(g, mul(g, t, t)), alpha * beta)
      },
    }),
  },
  // max(0, min(1, alpha x + beta))
  hardsigmoid: {
    alpha: 0.2,
    beta: 0.5,
    make: (alpha, beta) => ({
      value: (g, x) => g.op('Clip', [shifted(g, scaled(g, x, alpha), beta), g.float(0), g.float(1)]),
      slope: (g, _x, y) => scaled(g, between(g, y, 0, 1), alpha),
    }),
  },
  // x, or alpha (exp(x) - 1) below 0
  elu: {
    alpha: 1,
    make: (alpha) => ({
      value: (g, x) => {
        const falling = shifted(g, g.op('Exp', [g.op('Min', [x, g.float(0)])]), -1)
        return add(g, g.op('Relu', [x]), scaled(g, falling, alpha))
      },
      slope: (g, x) => {
        const falling = scaled(g, g.op('Exp', [g.op('Min', [x, g.float(0)])]), alpha)
        return g.op('Where', [above(g, x, 0), g.float(1), falling])
      },
    }),
  },
  // x / (1 + |x|)
  softsign: {
    make: () => ({
      value: (g, x) => g.op('Div', [x, shifted(g, g.op('Abs', [x]), 1)]),
      slope: (g, x) => {
        const d = shifted(g, g.op('Abs', [x]), 1)
        return g.op('Reciprocal', [mul(g, d, d)])
      },
    }),
  },
  softplus: {
    make: () => ({ value: (g, x) => g.op('Softplus', [x]), slope: (g, x) => g.op('Sigmoid', [x]) }),
  },
}

/**
 * The activations of a node, `defaults.length` for each direction. Parameters are consumed in order by the functions that take
 * them.
 */
export function activationsOf(
  node: Node,
  defaults: readonly string[],
  directions: number,
  fail: (message: string) => never,
): Activation[] {
  const given = node.attributes.get('activations')
  const names = given?.kind === 'strings' ? given.value : Array.from({ length: directions }, () => defaults).flat()
  const count = defaults.length * directions
  if (names.length !== count) fail(`names ${names.length} activations; ${count} are expected`)
  const numbers = (name: string): number[] => {
    const list = node.attributes.get(name)
    return list?.kind === 'floats' ? [...list.value] : []
  }
  const [alphas, betas] = [numbers('activation_alpha'), numbers('activation_beta')]
  return names.map((name) => {
    const definition =
      DEFINITIONS[name.toLowerCase()] ?? fail(`names the activation "${name}", which ONNX does not define`)
    const take = (list: number[], standard: number | undefined) =>
      standard === undefined ? 0 : (list.shift() ?? standard)
    return definition.make(take(alphas, definition.alpha), take(betas, definition.beta))
  })
}

/** The clip in front of the activations; undefined where there is none. */
export function clipOf(node: Node): number | undefined {
  const clip = floatAttribute(node, 'clip', 0)
  return clip > 0 ? clip : undefined
}

export const clipped = (g: Emitter, x: string, clip: number | undefined): string =>
  clip === undefined ? x : g.op('Clip', [x, g.float(-clip), g.float(clip)])

export interface Activated {
  readonly y: string
  readonly slope: string
}

/** f(clip(x)) and its derivative. */
export function activate(g: Emitter, f: Activation, x: string, clip: number | undefined): Activated {
  const inside = clipped(g, x, clip)
  const y = f.value(g, inside)
  const slope = f.slope(g, inside, y)
  return { y, slope: clip === undefined ? slope : mul(g, slope, between(g, x, -clip, clip)) }
}
