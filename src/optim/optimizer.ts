/**
 * Optimizers as chains of small pieces, each of which appends nodes. A piece turns an update (at first the gradient) into
 * another, with named slots of state in the parameter's shape. What leaves the chain is multiplied by the learning rate and
 * subtracted: p <- p - lr u.
 */
import { attr } from '../graph/graph.js'
import type { Emitter } from '../ops/operator.js'

export interface PieceContext {
  readonly g: Emitter
  readonly parameter: string
  /** 1 for the first step; a scalar. */
  readonly step: string
  /** Whether this parameter's group takes weight decay. */
  readonly decays: boolean
  /** The current value of one of the piece's slots. */
  slot(name: string): string
  /** Sets a slot for the next step. */
  setSlot(name: string, value: string): void
}

export interface Piece {
  /** Slots of state in the parameter's shape, zero at first. */
  readonly slots: readonly string[]
  apply(update: string, context: PieceContext): string
}

export interface Optimizer {
  readonly name: string
  readonly pieces: readonly Piece[]
}

const mul = (g: Emitter, a: string, b: string) => g.op('Mul', [a, b])
const add = (g: Emitter, a: string, b: string) => g.op('Add', [a, b])
const times = (g: Emitter, value: string, factor: number) => (factor === 1 ? value : mul(g, value, g.float(factor)))

/** u <- u + decay p. Before a momentum it is an L2 penalty; at the end of a chain it is decoupled (Loshchilov and Hutter 2019). */
export function weightDecay(decay: number): Piece {
  return {
    slots: [],
    apply: (update, { g, parameter, decays }) =>
      decay === 0 || !decays ? update : add(g, update, times(g, parameter, decay)),
  }
}

/** m <- mu m + u; u <- m, or u + mu m with Nesterov's look-ahead (Sutskever et al. 2013). */
export function momentum(mu: number, nesterov = false): Piece {
  if (mu === 0) return { slots: [], apply: (update) => update }
  return {
    slots: ['momentum'],
    apply: (update, { g, slot, setSlot }) => {
      const next = add(g, times(g, slot('momentum'), mu), update)
      setSlot('momentum', next)
      return nesterov ? add(g, update, times(g, next, mu)) : next
    },
  }
}

/** Adam (Kingma and Ba 2015): m and v with bias correction, u <- m^ / (sqrt(v^) + eps). */
export function scaleByAdam(beta1: number, beta2: number, epsilon: number): Piece {
  return {
    slots: ['m', 'v'],
    apply: (update, { g, slot, setSlot, step }) => {
      const m = add(g, times(g, slot('m'), beta1), times(g, update, 1 - beta1))
      const v = add(g, times(g, slot('v'), beta2), times(g, mul(g, update, update), 1 - beta2))
      setSlot('m', m)
      setSlot('v', v)
      const correction = (beta: number) => g.op('Sub', [g.float(1), g.op('Pow', [g.float(beta), step])])
      const deviation = g.op('Sqrt', [g.op('Div', [v, correction(beta2)])])
      return g.op('Div', [g.op('Div', [m, correction(beta1)]), add(g, deviation, g.float(epsilon))])
    },
  }
}

export interface SgdOptions {
  /** @default 0.9 */
  readonly momentum?: number
  /** @default false */
  readonly nesterov?: boolean
  /** L2 penalty, added to the gradient. @default 0 */
  readonly weightDecay?: number
}

/** Stochastic gradient descent; the same update as torch.optim.SGD. */
export function sgd(options: SgdOptions = {}): Optimizer {
  return {
    name: 'sgd',
    pieces: [weightDecay(options.weightDecay ?? 0), momentum(options.momentum ?? 0.9, options.nesterov ?? false)],
  }
}

export interface AdamOptions {
  /** @default 0.9 */
  readonly beta1?: number
  /** @default 0.999 */
  readonly beta2?: number
  /** @default 1e-8 */
  readonly epsilon?: number
  /** adam: L2 penalty. adamW: decoupled. @default 0 (adam), 0.01 (adamW) */
  readonly weightDecay?: number
}

/** Adam with an L2 penalty; the same update as torch.optim.Adam. */
export function adam(options: AdamOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options
  return { name: 'adam', pieces: [weightDecay(options.weightDecay ?? 0), scaleByAdam(beta1, beta2, epsilon)] }
}

/** Adam with decoupled weight decay; the same update as torch.optim.AdamW. */
export function adamW(options: AdamOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options
  return { name: 'adamw', pieces: [scaleByAdam(beta1, beta2, epsilon), weightDecay(options.weightDecay ?? 0.01)] }
}

/** sqrt of the sum of squares over all gradients, a scalar. */
export function globalNorm(g: Emitter, gradients: readonly string[]): string {
  const squares = gradients.map((gradient) => {
    const axes = g.ints(g.shape(gradient).map((_, i) => i))
    return g.op('Reshape', [g.op('ReduceSumSquare', [gradient, axes], { keepdims: attr.int(0) }), g.ints([1])])
  })
  const all = squares.length === 1 ? (squares[0] as string) : g.op('Concat', squares, { axis: attr.int(0) })
  return g.op('Sqrt', [g.op('ReduceSum', [all, g.ints([0])], { keepdims: attr.int(0) })])
}
