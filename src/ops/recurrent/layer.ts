/**
 * What the gradients of LSTM, GRU and RNN share: a node is taken apart into its directions, each with its steps as rows
 * (step * batch + sample), and the gradients of the directions are put together again.
 *
 * The forward pass stays onnxruntime's own node. Its output holds every hidden state, so that all gates are computed again at
 * once, in one product over all steps; only what truly runs from step to step is written step by step.
 */
import { attr, stringAttribute } from '../../graph/graph.js'
import { toNumbers } from '../../graph/tensor.js'
import { reshape, slice } from '../emit.js'
import { fusedMatMul } from '../matmul.js'
import type { Emitter, GradientContext } from '../operator.js'

/** One direction of a node; rows are (steps * batch, ...). */
export interface Layer {
  readonly g: Emitter
  readonly steps: number
  readonly batch: number
  readonly hidden: number
  /** From the last step to the first. */
  readonly backwards: boolean
  /** (rows, input) */
  readonly x: string
  /** (gates * hidden, input), (gates * hidden, hidden) */
  readonly w: string
  readonly r: string
  /** (gates * hidden): the input's and the recurrent bias. */
  readonly bias: { readonly w: string; readonly r: string } | undefined
  /** (batch, hidden) */
  readonly h0: string | undefined
  readonly c0: string | undefined
  /** (hidden) for the input, output and forget gate. */
  readonly peepholes: readonly [string, string, string] | undefined
  /** (rows, hidden): the hidden state before each step. */
  readonly before: string
  /** (rows, 1): 1 where a sample's sequence has the step, 0 behind its end. Undefined where all have all steps. */
  readonly mask: string | undefined
  /** Gradients of all hidden states, (rows, hidden), and of the last states, (batch, hidden). */
  readonly dY: string | undefined
  readonly dH: string | undefined
  readonly dC: string | undefined
}

/** What a direction answers; undefined where nothing flows. */
export interface LayerGradients {
  /** The gradient of the gates' inputs from x and from the hidden state, (rows, gates * hidden): one and the same but for a GRU. */
  readonly gatesX: string
  readonly gatesH: string
  /** Of R where it is not gatesH' before. */
  readonly r?: string
  readonly h0: string
  readonly c0?: string
  readonly peepholes?: readonly [string, string, string]
}

export const mul = (g: Emitter, a: string, b: string): string => g.op('Mul', [a, b])
export const add = (g: Emitter, a: string, b: string): string => g.op('Add', [a, b])
export const sub = (g: Emitter, a: string, b: string): string => g.op('Sub', [a, b])
export const oneMinus = (g: Emitter, a: string): string => sub(g, g.float(1), a)
export const zeros = (g: Emitter, shape: readonly number[]): string => g.op('ConstantOfShape', [g.ints(shape)])
/** The sum of what there is. */
export const sum = (g: Emitter, ...parts: readonly (string | undefined)[]): string | undefined =>
  parts.reduce((a, b) => (a !== undefined && b !== undefined ? add(g, a, b) : (a ?? b)), undefined)

export function concat(g: Emitter, parts: readonly string[], axis: number): string {
  return parts.length === 1 ? (parts[0] as string) : g.op('Concat', parts, { axis: attr.int(axis) })
}

/** Equal parts along an axis. */
export function parts(g: Emitter, value: string, axis: number, count: number): string[] {
  if (count === 1) return [value]
  const size = (g.shape(value)[axis] as number) / count
  return g.multi('Split', [value, g.ints(new Array<number>(count).fill(size))], { axis: attr.int(axis) }, count)
}

/** 0 behind a sequence's end. */
export const masked = ({ g, mask }: Layer, x: string): string => (mask === undefined ? x : mul(g, x, mask))

/** A factor that hands a state on unchanged behind a sequence's end: m x + (1 - m). */
export const keeping = ({ g, mask }: Layer, x: string): string =>
  mask === undefined ? x : add(g, mul(g, x, mask), oneMinus(g, mask))

/** Steps in the order of time of this direction. */
export const order = ({ steps, backwards }: Layer): number[] =>
  Array.from({ length: steps }, (_, i) => (backwards ? steps - 1 - i : i))

/** The states before each step from those after it, in rows: shifted by one, the initial one first. */
export function shiftedBy(layer: Layer, states: readonly string[], initial: string): string {
  const { g, backwards } = layer
  const before = backwards ? [...states.slice(1), initial] : [initial, ...states.slice(0, -1)]
  return concat(g, before, 0)
}

/** Inputs of all gates at all steps: x W' + h R' + b, (rows, gates * hidden). */
export function gateInputs(layer: Layer): string {
  const { g, x, w, r, bias, before } = layer
  const fromX = gemm(g, x, w, bias && add(g, bias.w, bias.r))
  return gemm(g, before, r, fromX)
}

/** a b' + c */
export const gemm = (g: Emitter, a: string, b: string, c?: string): string =>
  g.op('Gemm', c === undefined ? [a, b] : [a, b, c], { transB: attr.int(1) })

/**
 * The gradient of each input (X, W, R, B, sequence_lens, initial_h, and an LSTM's initial_c and P).
 *
 * @param backward computes one direction
 */
export function recurrentRule(
  c: GradientContext,
  backward: (layer: Layer, direction: number) => LayerGradients,
): readonly (string | undefined)[] {
  const { g } = c
  const [steps, batch, size] = c.shape(c.input(0)) as [number, number, number]
  const [directions, , hidden] = c.shape(c.input(2)) as [number, number, number]
  const reverse = stringAttribute(c.node, 'direction', 'forward') === 'reverse'
  const x = reshape(g, c.input(0), [steps * batch, size])
  const mask = maskOf(c, steps, batch)
  const found = Array.from({ length: directions }, (_, d) => {
    const backwards = reverse || d === 1
    const of = (i: number) => part(g, c.input(i), 0, d)
    const gradient = (i: number, axis: number) => (c.hasGrad(i) ? part(g, c.grad(i), axis, d) : undefined)
    const rows = (value: string) => reshape(g, value, [steps * batch, hidden])
    const h0 = c.has(5) ? of(5) : undefined
    const dY = gradient(0, 1)
    const layer: Layer = {
      g,
      steps,
      batch,
      hidden,
      backwards,
      x,
      w: of(1),
      r: of(2),
      bias: c.has(3) ? halves(g, of(3)) : undefined,
      h0,
      c0: c.has(6) ? of(6) : undefined,
      peepholes: c.has(7) ? (parts(g, of(7), 0, 3) as [string, string, string]) : undefined,
      before: rows(statesBefore(g, part(g, c.output(0), 1, d), h0, backwards, mask)),
      mask,
      dY: dY && (mask === undefined ? rows(dY) : mul(g, rows(dY), mask)),
      dH: gradient(1, 0),
      dC: gradient(2, 0),
    }
    return { layer, made: backward(layer, d) }
  })
  const stack = (values: readonly (string | undefined)[]) => stacked(g, values as readonly string[])
  const each = (value: (layer: Layer, made: LayerGradients) => string | undefined) =>
    stack(found.map(({ layer, made }) => value(layer, made)))
  const total = (gates: string) => g.op('ReduceSum', [gates, g.ints([0])], { keepdims: attr.int(0) })
  const dX = () => {
    const all = found.map(({ layer, made }) => g.op('MatMul', [made.gatesX, layer.w]))
    return reshape(g, sum(g, ...all) as string, [steps, batch, size])
  }
  return [
    c.needs(0) ? dX() : undefined,
    c.needs(1) ? each((layer, made) => fusedMatMul(g, made.gatesX, layer.x, true, false)) : undefined,
    c.needs(2) ? each((layer, made) => made.r ?? fusedMatMul(g, made.gatesH, layer.before, true, false)) : undefined,
    c.has(3) && c.needs(3)
      ? each((_, made) => {
          const fromX = total(made.gatesX)
          return concat(g, [fromX, made.gatesX === made.gatesH ? fromX : total(made.gatesH)], 0)
        })
      : undefined,
    undefined,
    c.has(5) && c.needs(5) ? each((_, made) => made.h0) : undefined,
    c.has(6) && c.needs(6) ? each((_, made) => made.c0) : undefined,
    c.has(7) && c.needs(7) ? each((_, made) => made.peepholes && concat(g, made.peepholes, 0)) : undefined,
  ]
}

/** Values of all directions along a new first axis. */
function stacked(g: Emitter, values: readonly string[]): string {
  return concat(
    g,
    values.map((value) => reshape(g, value, [1, ...g.shape(value)])),
    0,
  )
}

/** Position `at` of an axis, without the axis. */
function part(g: Emitter, value: string, axis: number, at: number): string {
  const shape = g.shape(value)
  const without = shape.filter((_, i) => i !== axis)
  return reshape(g, slice(g, value, axis, at, at + 1), without)
}

function halves(g: Emitter, value: string): { w: string; r: string } {
  const [w, r] = parts(g, value, 0, 2) as [string, string]
  return { w, r }
}

/** (rows, 1) of 1 and 0 by the sequences' lengths, which may be data; undefined where they are known to be full. */
function maskOf(c: GradientContext, steps: number, batch: number): string | undefined {
  if (!c.has(4)) return undefined
  const { g } = c
  const known = g.valueOf(c.input(4))
  if (known && toNumbers(known).every((length) => length === steps)) return undefined
  const at = g.constant({ type: 'int32', dims: [steps, 1], data: Int32Array.from({ length: steps }, (_, t) => t) })
  const inside = g.op('Less', [at, reshape(g, c.input(4), [1, batch])])
  return reshape(g, g.op('Cast', [inside], { to: attr.int(1) }), [steps * batch, 1])
}

/**
 * The hidden states before each step, (steps, batch, hidden), from those after each step, which are zero behind a sequence's
 * end. Backwards the initial state stands before the last step that the sequence has.
 */
function statesBefore(
  g: Emitter,
  after: string,
  initial: string | undefined,
  backwards: boolean,
  mask: string | undefined,
): string {
  const [steps, batch, hidden] = g.shape(after) as [number, number, number]
  const row = [1, batch, hidden]
  const none = () => zeros(g, row)
  const start = initial === undefined ? none() : reshape(g, initial, row)
  const join = (first: string[], second: string[]) => concat(g, [...first, ...second], 0)
  if (!backwards) return join([start], steps > 1 ? [slice(g, after, 0, 0, steps - 1)] : [])
  const rest = steps > 1 ? [slice(g, after, 0, 1, steps)] : []
  if (mask === undefined || initial === undefined) return join(rest, [start])
  const inside = reshape(g, mask, [steps, batch, 1])
  const next = join(steps > 1 ? [slice(g, inside, 0, 1, steps)] : [], [zeros(g, [1, batch, 1])])
  return add(g, join(rest, [none()]), mul(g, start, sub(g, inside, next)))
}
