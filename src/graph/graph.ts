/**
 * The typed graph: what an ONNX model says, in plain data. Values are names, as in ONNX; each value has one producer (a
 * node, an initializer or a graph input). Nodes are kept in topological order.
 */
import { GraftError } from '../base/errors.js'
import type { ElementType, Tensor } from './tensor.js'

/** A dimension: a number, a symbol, or unknown. */
export type Dimension = number | string | undefined

export interface ValueType {
  readonly type: ElementType
  /** Undefined where even the rank is unknown. */
  readonly shape: readonly Dimension[] | undefined
}

export interface ValueInfo extends ValueType {
  readonly name: string
}

/** A static float or integer value: type and shape known. */
export interface StaticType {
  readonly type: ElementType
  readonly shape: readonly number[]
}

/** An attribute with its ONNX kind: a number alone does not say whether it is an int or a float. */
export type Attribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: Tensor }
  | { readonly kind: 'graph'; readonly value: Graph }
  /** Inside a function: the attribute of this name of the function's call. With the message's bytes. */
  | { readonly kind: 'reference'; readonly name: string; readonly value: Uint8Array }
  /** Kinds that are only carried through (sparse tensors, type protos): the message's bytes. */
  | { readonly kind: 'opaque'; readonly value: Uint8Array }

export interface Node {
  readonly name: string
  readonly opType: string
  /** '' is the standard domain (also written ai.onnx). */
  readonly domain: string
  /** '' marks an omitted optional input or output. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: ReadonlyMap<string, Attribute>
  /** Which variant of a model-local function is called (IR 10 and up). */
  readonly overload?: string
}

export interface Graph {
  name: string
  inputs: ValueInfo[]
  outputs: ValueInfo[]
  nodes: Node[]
  /** In file order. */
  initializers: Map<string, Tensor>
  /** What the file says of intermediate values; inference fills the rest. */
  valueInfo: Map<string, ValueType>
}

/** A whole model: the main graph, the opsets it imports and the functions it defines. */
export interface Model {
  graph: Graph
  irVersion: number
  /** Domain to version; '' is the standard domain. */
  opsets: Map<string, number>
  functions: ModelFunction[]
  producer: { name: string; version: string }
  metadata: Map<string, string>
}

/** A model-local function (onnx.proto, FunctionProto). */
export interface ModelFunction {
  readonly domain: string
  readonly name: string
  readonly overload: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: readonly string[]
  readonly attributeDefaults: ReadonlyMap<string, Attribute>
  readonly nodes: readonly Node[]
  readonly opsets: ReadonlyMap<string, number>
}

export function emptyGraph(name: string): Graph {
  return { name, inputs: [], outputs: [], nodes: [], initializers: new Map(), valueInfo: new Map() }
}

/** A copy that can be changed without touching the original (tensors are shared: they are never written to). */
export function cloneGraph(graph: Graph): Graph {
  return {
    name: graph.name,
    inputs: [...graph.inputs],
    outputs: [...graph.outputs],
    nodes: [...graph.nodes],
    initializers: new Map(graph.initializers),
    valueInfo: new Map(graph.valueInfo),
  }
}

export const attr = {
  int: (value: number): Attribute => ({ kind: 'int', value }),
  float: (value: number): Attribute => ({ kind: 'float', value }),
  string: (value: string): Attribute => ({ kind: 'string', value }),
  ints: (value: readonly number[]): Attribute => ({ kind: 'ints', value }),
  floats: (value: readonly number[]): Attribute => ({ kind: 'floats', value }),
  tensor: (value: Tensor): Attribute => ({ kind: 'tensor', value }),
}

/** Where a node stands, for error messages: `[Conv blocks.0.conv]`. */
export function describeNode(node: Node): string {
  const domain = node.domain === '' ? '' : `${node.domain}.`
  return `[${domain}${node.opType} ${node.name === '' ? `-> ${node.outputs[0] ?? '?'}` : node.name}]`
}

function wrongKind(node: Node, name: string, found: Attribute, expected: string): never {
  throw new GraftError(`${describeNode(node)} attribute "${name}" is of kind ${found.kind}; expected ${expected}.`, {
    remedy: 'Check the file with the official ONNX checker and export it again.',
  })
}

export function intAttribute(node: Node, name: string, fallback: number): number {
  const found = node.attributes.get(name)
  if (found === undefined) return fallback
  return found.kind === 'int' ? found.value : wrongKind(node, name, found, 'int')
}

export function floatAttribute(node: Node, name: string, fallback: number): number {
  const found = node.attributes.get(name)
  if (found === undefined) return fallback
  return found.kind === 'float' ? found.value : wrongKind(node, name, found, 'float')
}

export function stringAttribute(node: Node, name: string, fallback: string): string {
  const found = node.attributes.get(name)
  if (found === undefined) return fallback
  return found.kind === 'string' ? found.value : wrongKind(node, name, found, 'string')
}

export function intsAttribute(node: Node, name: string): readonly number[] | undefined {
  const found = node.attributes.get(name)
  if (found === undefined) return undefined
  return found.kind === 'ints' ? found.value : wrongKind(node, name, found, 'ints')
}

/** The node that produces each value. */
export function producers(graph: Graph): Map<string, Node> {
  const map = new Map<string, Node>()
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== '') map.set(output, node)
  return map
}

/** The nodes that read each value, in graph order. */
export function consumers(graph: Graph): Map<string, Node[]> {
  const map = new Map<string, Node[]>()
  for (const node of graph.nodes)
    for (const input of new Set(node.inputs)) {
      if (input === '') continue
      const list = map.get(input)
      if (list) list.push(node)
      else map.set(input, [node])
    }
  return map
}
