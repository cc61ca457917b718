/**
 * Optimizers as chains of small pieces, each of which appends nodes. A piece turns an update (at first the gradient) into
 * another, with named slots of state in the parameter's shape. What leaves the chain is multiplied by the learning rate and
 * subtracted, p <- p - lr u, or taken by a last step of the optimizer's own.
 *
 * On large weights every node is a pass over memory, which is what an update costs: the fewer, the faster.
 */
import { attr } from '../graph/graph.js'
import type { Emitter } from '../ops/operator.js'

export interface PieceContext {
  readonly g: Emitter
  readonly parameter: string
  /** 1 for the first step; a scalar. */
  readonly step: string
  /** What all parameters have in common. */
  readonly scalars: Scalars
  /** A scalar, as nodes of `g` read it. */
  local(scalar: string): string
  /** Whether this parameter's group takes weight decay. */
  readonly decays: boolean
  /** The current value of one of the piece's slots. */
  slot(name: string): string
  /** Sets a slot for the next step. */
  setSlot(name: string, value: string): void
  /** The name to give to the value that a slot is set to: under another one it would have to be copied. */
  nextOf(slot: string): string
}

export interface StepContext extends PieceContext {
  /** The learning rate, a scalar. */
  readonly rate: string
}

export interface Piece {
  /** Slots of state in the parameter's shape, zero at first. */
  readonly slots: readonly string[]
  apply(update: string, context: PieceContext): string
}

/** What an optimizer ends with: from the update to the parameter's next value. */
export interface FinalStep {
  readonly slots: readonly string[]
  apply(update: string, context: StepContext): string
}

export interface Optimizer {
  readonly name: string
  readonly pieces: readonly Piece[]
  /** @default p <- p - lr u */
  readonly step?: FinalStep
}

const named = (output: string | undefined) => (output === undefined ? {} : { outputs: [output] })
const mul = (g: Emitter, a: string, b: string) => g.op('Mul', [a, b])
const sub = (g: Emitter, a: string, b: string) => g.op('Sub', [a, b])
const div = (g: Emitter, a: string, b: string) => g.op('Div', [a, b])
const add = (g: Emitter, a: string, b: string, output?: string) => g.op('Add', [a, b], {}, named(output))
const times = (g: Emitter, value: string, factor: number) => (factor === 1 ? value : mul(g, value, g.float(factor)))

/** u <- u + decay p: before a momentum an L2 penalty, at the end of a chain decoupled. */
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
    apply: (update, { g, slot, setSlot, nextOf }) => {
      const next = add(g, times(g, slot('momentum'), mu), update, nextOf('momentum'))
      setSlot('momentum', next)
      return nesterov ? add(g, update, times(g, next, mu)) : next
    },
  }
}

/** p <- p - lr u. */
export const descend: FinalStep = {
  slots: [],
  apply: (update, { g, parameter, rate, local }) => sub(g, parameter, mul(g, update, local(rate))),
}

/** The least rate that is told from 0: with it a parameter does not move. */
const LEAST_RATE = 1e-30

/**
 * Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019):
 *
 *   m <- beta1 m + (1 - beta1) u, v <- beta2 v + (1 - beta2) u², p <- p - lr (m^ / (sqrt(v^) + eps) + decay p)
 *
 * with m^ = m / (1 - beta1^t), v^ = v / (1 - beta2^t). All that is a scalar is gathered: the slots hold m / (1 - beta1) and
 * v / (1 - beta2), and p <- (1 - lr decay) p - m / (a sqrt(v) + b).
 */
export function adamStep(beta1: number, beta2: number, epsilon: number, decay: number): FinalStep {
  return {
    slots: ['m', 'v'],
    apply: (update, { g, parameter, slot, setSlot, nextOf, step, rate, decays, scalars, local }) => {
      const m = add(g, times(g, slot('m'), beta1), update, nextOf('m'))
      const v = add(g, times(g, slot('v'), beta2), mul(g, update, update), nextOf('v'))
      setSlot('m', m)
      setSlot('v', v)
      const { a, b } = adamScalars(scalars, { beta1, beta2, epsilon, step, rate })
      const move = div(g, m, add(g, mul(g, g.op('Sqrt', [v]), local(a)), local(b)))
      if (decay === 0 || !decays) return sub(g, parameter, move)
      const kept = scalars.once(`kept ${decay} ${rate}`, (s) => sub(s, s.float(1), mul(s, rate, s.float(decay))))
      return sub(g, mul(g, parameter, local(kept)), move)
    },
  }
}

interface AdamScalars {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly step: string
  readonly rate: string
}

/** a = c sqrt((1 - beta2) / (1 - beta2^t)) and b = c eps, with c = (1 - beta1^t) / ((1 - beta1) lr). */
function adamScalars(scalars: Scalars, { beta1, beta2, epsilon, step, rate }: AdamScalars): { a: string; b: string } {
  const key = `${beta1} ${beta2} ${step}`
  const correction = (g: Emitter, beta: number) => sub(g, g.float(1), g.op('Pow', [g.float(beta), step]))
  const c = scalars.once(`adam c ${key} ${rate}`, (g) => {
    const first = scalars.once(`adam first ${key}`, () => div(g, correction(g, beta1), g.float(1 - beta1)))
    return div(g, first, g.op('Max', [rate, g.float(LEAST_RATE)]))
  })
  const spread = scalars.once(`adam spread ${key}`, (g) =>
    g.op('Sqrt', [div(g, g.float(1 - beta2), correction(g, beta2))]),
  )
  return {
    a: scalars.once(`adam a ${key} ${rate}`, (g) => mul(g, c, spread)),
    b: scalars.once(`adam b ${key} ${rate} ${epsilon}`, (g) => mul(g, c, g.float(epsilon))),
  }
}

/** Scalars that all parameters of an update have in common, each computed once. */
export class Scalars {
  readonly #g: Emitter
  readonly #known = new Map<string, string>()

  constructor(g: Emitter) {
    this.#g = g
  }

  once(key: string, make: (g: Emitter) => string): string {
    const known = this.#known.get(key) ?? make(this.#g)
    this.#known.set(key, known)
    return known
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
  return {
    name: 'adam',
    pieces: [weightDecay(options.weightDecay ?? 0)],
    step: adamStep(beta1, beta2, epsilon, 0),
  }
}

/** Adam with decoupled weight decay; the same update as torch.optim.AdamW. */
export function adamW(options: AdamOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options
  return { name: 'adamw', pieces: [], step: adamStep(beta1, beta2, epsilon, options.weightDecay ?? 0.01) }
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
