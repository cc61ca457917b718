/**
 * What a row of the operator table says: the types of its outputs, how to read it from older opsets, its value on
 * constants, and its gradient. Rows describe one canonical form, that of {@link CANONICAL_OPSET}; `upgrade` rewrites
 * older forms into it.
 */
import type { Attribute, Node, StaticType } from '../graph/graph.js'
import type { ElementType, Tensor } from '../graph/tensor.js'

/** The opset in which Graft's graphs are written. */
export const CANONICAL_OPSET = 21

/** The domain of onnxruntime's own operators. */
export const MICROSOFT = 'com.microsoft'

/** What rows need of the graph under construction. Values are names. */
export interface Emitter {
  /** Appends a node with one output and returns the output's name. An input '' is an omitted optional one. */
  op(opType: string, inputs: readonly string[], attributes?: Attributes, options?: EmitOptions): string
  /** Appends a node with several outputs. */
  multi(
    opType: string,
    inputs: readonly string[],
    attributes: Attributes,
    count: number,
    options?: EmitOptions,
  ): string[]
  /** A constant, shared with an equal one that exists. */
  constant(tensor: Tensor): string
  /** A float32 scalar constant. */
  float(value: number): string
  /** A one-dimensional int64 constant. */
  ints(values: readonly number[]): string
  typeOf(value: string): StaticType
  shape(value: string): readonly number[]
  /** The value where it is known before running; undefined where it is not. */
  valueOf(value: string): Tensor | undefined
  /** The node that computes a value; undefined for inputs, weights and constants. */
  producerOf(value: string): Node | undefined
  /** The same value, through which no gradient passes. */
  detached(value: string): string
  /** The same value, whose gradient is multiplied by `factor`, a scalar, on its way to what it was computed from. */
  scaledGradient(value: string, factor: string): string
}

export type Attributes = Readonly<Record<string, Attribute>>

export interface EmitOptions {
  readonly domain?: string
  /** Names of the outputs; fresh ones otherwise. */
  readonly outputs?: readonly string[]
  readonly name?: string
}

export interface InferContext {
  readonly node: Node
  readonly emitter: Emitter
  /** Type of input i; an error naming the node where it is omitted. */
  type(i: number): StaticType
  shape(i: number): readonly number[]
  has(i: number): boolean
  /** The integers (or numbers) of input i, which must be known before running. */
  numbers(i: number): readonly number[]
  /** Throws an error that names the node. */
  fail(message: string, remedy?: string): never
}

export interface GradientContext {
  readonly g: Emitter
  readonly node: Node
  input(i: number): string
  has(i: number): boolean
  output(i?: number): string
  /** Gradient of the loss with respect to output i; only output 0's is present unless the row says otherwise. */
  grad(i?: number): string
  hasGrad(i: number): boolean
  /** Whether the gradient of input i is asked for. */
  needs(i: number): boolean
  shape(value: string): readonly number[]
  refuse(reason: string): never
}

/** The gradient of each input, in order; undefined where none flows. Broadcasting is undone by the caller. */
export type GradientRule = (context: GradientContext) => readonly (string | undefined)[]

export type Gradient =
  | { readonly kind: 'rule'; readonly rule: GradientRule; readonly differentiable?: readonly number[] }
  /** Piecewise constant or not a float: no gradient flows, which is the right answer. */
  | { readonly kind: 'none'; readonly reason: string }
  /** A derivative exists but is not offered. */
  | { readonly kind: 'refuse'; readonly reason: string }
  /** Written as other operators when a model is read, and differentiated as those. */
  | { readonly kind: 'expanded'; readonly into: string }

export interface UpgradeContext {
  readonly g: Emitter
  readonly node: Node
  readonly opset: number
  /** The node's inputs in the graph under construction. */
  readonly inputs: readonly string[]
  /** Appends the same node with other inputs or attributes under the original output names. */
  emit(inputs: readonly string[], attributes: Attributes, opType?: string): readonly string[]
  attributes(): Record<string, Attribute>
  refuse(reason: string): never
}

export interface Operator {
  readonly infer: (context: InferContext) => readonly StaticType[]
  readonly gradient: Gradient
  /** Rewrites the node into canonical form; returns its outputs. Absent where every opset from 7 reads alike. */
  readonly upgrade?: (context: UpgradeContext) => readonly string[]
  /** The outputs' values from constant inputs. */
  readonly fold?: (
    inputs: readonly (Tensor | undefined)[],
    node: Node,
    types: readonly StaticType[],
  ) => readonly Tensor[]
}

export const rule = (gradientRule: GradientRule): Gradient => ({ kind: 'rule', rule: gradientRule })
export const none = (reason: string): Gradient => ({ kind: 'none', reason })
export const refuse = (reason: string): Gradient => ({ kind: 'refuse', reason })

/** The row of an operator that `upgrade` always writes as others: it never stands in a program. */
export const expanded = (into: string, upgrade: NonNullable<Operator['upgrade']>): Operator => ({
  infer: (c) => c.fail(`is written as ${into} when a model is read and cannot stand in a program`),
  gradient: { kind: 'expanded', into },
  upgrade,
})

/** The shape of two operands after NumPy broadcasting. */
export function broadcast(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length)
  const out = new Array<number>(rank)
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1
    const y = b[b.length - rank + i] ?? 1
    if (x !== y && x !== 1 && y !== 1) return undefined
    out[i] = x === 1 ? y : x
  }
  return out
}

/** An axis counted from the front; throws through `fail` where it is out of range. */
export function normaliseAxis(axis: number, rank: number, fail: (message: string) => never): number {
  const positive = axis < 0 ? axis + rank : axis
  if (positive < 0 || positive >= Math.max(rank, 1)) fail(`axis ${axis} is out of range for rank ${rank}`)
  return positive
}

export const isFloat = (type: ElementType): boolean =>
  type === 'float32' || type === 'float16' || type === 'bfloat16' || type === 'float64'
