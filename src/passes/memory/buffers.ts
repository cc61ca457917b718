/**
 * Which buffers onnxruntime takes and gives back when it runs a graph: the replay of its allocation plan. Values that it
 * computes before running (from constants) and nodes that it merges are left out; an operator may write over its input; a
 * buffer that is no longer needed is kept for the next value of the same shape, and given back after the last of them.
 */
import type { Attribute, Graph, Node, StaticType } from '../../graph/graph.js'
import { type ElementType, sizeOf } from '../../graph/tensor.js'
import { reads } from '../../onnx/names.js'
import { executionOrder } from './order.js'
import { type Workspace, workspaceOf } from './workspace.js'

/** A request for `bytes`, or (without them) the return of what was taken under that number. */
export interface Request {
  readonly id: number
  readonly bytes?: number
  readonly touched?: Workspace['touched']
}

export interface Trace {
  readonly requests: readonly Request[]
  /** Sizes of the constants that are kept beside. */
  readonly constants: readonly number[]
}

/** The output is a view of the first input. */
const VIEWS = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Identity'])
/** The output may be written over the first input, where that is its last use. */
const IN_PLACE = new Set([
  ...['Relu', 'LeakyRelu', 'Elu', 'Selu', 'Celu', 'ThresholdedRelu', 'Clip', 'Sigmoid', 'HardSigmoid', 'Tanh'],
  ...['Softplus', 'Softsign', 'Softmax', 'LogSoftmax', 'Cast', 'Dropout'],
])

/** @param hidden types of values whose shape onnxruntime does not know before it runs */
export function traceGraph(graph: Graph, threads: number, hidden: ReadonlyMap<string, StaticType> = new Map()): Trace {
  const tracer = new Tracer(threads, hidden)
  tracer.graph(graph, new Map())
  return { requests: tracer.requests, constants: tracer.constants }
}

interface Buffer {
  readonly id: number
  readonly bytes: number
  readonly key: string
  /** Readers to come, of all values in it. */
  uses: number
  /** Belongs to the caller or to the model: never taken nor given back. */
  readonly foreign: boolean
  /** Position of the last node that works on it. */
  last: number
}

const FOREIGN: Omit<Buffer, 'id'> = {
  bytes: 0,
  key: '',
  uses: Number.POSITIVE_INFINITY,
  foreign: true,
  last: Number.POSITIVE_INFINITY,
}

class Tracer {
  readonly requests: Request[] = []
  readonly constants: number[] = []
  readonly #threads: number
  readonly #hidden: ReadonlyMap<string, StaticType>
  #next = 0

  constructor(threads: number, hidden: ReadonlyMap<string, StaticType>) {
    this.#threads = threads
    this.#hidden = hidden
  }

  graph(graph: Graph, outer: ReadonlyMap<string, StaticType>): void {
    const types = new Map([...outer, ...this.#hidden])
    for (const { name, type, shape } of graph.inputs) types.set(name, { type, shape: shape as readonly number[] })
    for (const [name, { type, dims }] of graph.initializers) types.set(name, { type, shape: dims })
    for (const [name, { type, shape }] of graph.valueInfo) types.set(name, { type, shape: shape as readonly number[] })
    const typeOf = (name: string) => types.get(name) ?? { type: 'float32' as const, shape: [] }
    const { nodes, constants } = simplified(graph)
    for (const name of constants) this.constants.push(bytesOf(typeOf(name)))

    const order = executionOrder(nodes)
    const outputs = new Set(graph.outputs.map(({ name }) => name))
    const readers = countReaders(nodes)
    for (const node of nodes) {
      // A copy into an output of the graph is spared where nothing else reads the value.
      const [from, to] = [node.inputs[0], node.outputs[0]]
      if (node.opType === 'Identity' && from !== undefined && outputs.has(to ?? '') && readers.get(from) === 1)
        outputs.add(from)
    }
    const buffers = new Map<string, Buffer>()
    const free: Buffer[] = []
    const taken = new Map<Node, Buffer[]>()
    const bufferOf = (name: string) => {
      let found = buffers.get(name)
      if (found === undefined) {
        found = { ...FOREIGN, id: this.#next++ }
        buffers.set(name, found)
      }
      return found
    }
    order.forEach((node, at) => {
      const own: Buffer[] = []
      taken.set(node, own)
      for (const output of node.outputs) {
        if (output === '') continue
        const uses = readers.get(output) ?? 0
        if (outputs.has(output)) {
          bufferOf(output)
          continue
        }
        const type = typeOf(output)
        const reused = this.#reused(node, output, type, bufferOf, free, typeOf)
        if (reused) {
          reused.uses += uses
          reused.last = Math.max(reused.last, at)
          buffers.set(output, reused)
          continue
        }
        const key = this.#hidden.has(output) ? '' : keyOf(type)
        const made = { id: this.#next++, bytes: bytesOf(type), key, uses, foreign: false, last: at }
        buffers.set(output, made)
        own.push(made)
      }
      for (const name of reads(node)) {
        const buffer = bufferOf(name)
        buffer.last = Math.max(buffer.last, at)
        buffer.uses--
        if (buffer.uses === 0 && buffer.key !== '') free.unshift(buffer)
      }
      for (const output of node.outputs) {
        const buffer = output === '' ? undefined : buffers.get(output)
        if (buffer?.uses === 0 && buffer.key !== '' && !free.includes(buffer)) free.unshift(buffer)
      }
    })
    this.#emit(order, taken, typeOf, types)
  }

  /** A buffer that an output can be put into. */
  #reused(
    node: Node,
    output: string,
    type: StaticType,
    bufferOf: (name: string) => Buffer,
    free: Buffer[],
    typeOf: (name: string) => StaticType,
  ): Buffer | undefined {
    const first = node.inputs[0]
    if (first !== undefined && first !== '' && node.domain === '') {
      const buffer = bufferOf(first)
      if (VIEWS.has(node.opType)) return buffer
      if (this.#hidden.has(output)) return undefined
      if (
        IN_PLACE.has(node.opType) &&
        !this.#hidden.has(first) &&
        buffer.uses === 1 &&
        keyOf(typeOf(first)) === keyOf(type)
      )
        return buffer
    }
    if (type.shape.length === 0 || this.#hidden.has(output)) return undefined
    const key = keyOf(type)
    const at = free.findIndex((buffer) => buffer.key === key)
    return at < 0 ? undefined : free.splice(at, 1)[0]
  }

  #emit(
    order: readonly Node[],
    taken: ReadonlyMap<Node, readonly Buffer[]>,
    typeOf: (name: string) => StaticType,
    types: ReadonlyMap<string, StaticType>,
  ): void {
    const ending: Buffer[][] = order.map(() => [])
    for (const own of taken.values()) for (const buffer of own) ending[buffer.last]?.push(buffer)
    order.forEach((node, at) => {
      for (const { id, bytes } of taken.get(node) ?? []) this.requests.push({ id, bytes })
      const work = workspaceOf(node, (name) => typeOf(name).shape, this.#threads)
      const id = this.#next++
      if (work) this.requests.push({ id, ...work })
      const inner = node.attributes.get('then_branch') ?? node.attributes.get('body')
      if (inner?.kind === 'graph') this.graph(inner.value, types)
      if (work) this.requests.push({ id })
      for (const buffer of ending[at] as Buffer[]) this.requests.push({ id: buffer.id })
    })
  }
}

function countReaders(nodes: readonly Node[]): Map<string, number> {
  const readers = new Map<string, number>()
  for (const node of nodes) for (const name of reads(node)) readers.set(name, (readers.get(name) ?? 0) + 1)
  return readers
}

const WIDTHS: Partial<Record<ElementType, number>> = {
  ...{ bool: 1, uint8: 1, int8: 1, float16: 2, bfloat16: 2, uint16: 2, int16: 2 },
  ...{ float64: 8, int64: 8, uint64: 8, complex64: 8, complex128: 16, string: 32 },
}
const widthOf = (type: ElementType): number => WIDTHS[type] ?? 4

export const bytesOf = ({ type, shape }: StaticType): number => widthOf(type) * sizeOf(shape)

const keyOf = ({ type, shape }: StaticType): string => `${widthOf(type)}:${shape.join()}`

/** The graph as it runs: what depends on constants alone is computed beforehand, equal nodes are one. */
function simplified(graph: Graph): { nodes: Node[]; constants: Set<string> } {
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const fixed = new Set(graph.initializers.keys())
  const same = new Map<string, string>()
  const seen = new Map<string, Node>()
  const nodes: Node[] = []
  for (const node of graph.nodes) {
    const read = reads(node)
    if (read.every((name) => fixed.has(name)) && !node.outputs.some((name) => outputs.has(name))) {
      for (const output of node.outputs) fixed.add(output)
      continue
    }
    const renamed = { ...node, inputs: node.inputs.map((name) => same.get(name) ?? name) }
    const key = keyOfNode(renamed)
    const twin = key === undefined || node.outputs.some((name) => outputs.has(name)) ? undefined : seen.get(key)
    if (twin) {
      node.outputs.forEach((name, i) => {
        same.set(name, twin.outputs[i] as string)
      })
      continue
    }
    if (key !== undefined) seen.set(key, node)
    nodes.push(renamed)
  }
  const constants = new Set<string>()
  for (const node of nodes) for (const name of reads(node)) if (fixed.has(name)) constants.add(name)
  return { nodes, constants }
}

/** Equal for nodes that compute the same; undefined where that is not looked into. */
function keyOfNode(node: Node): string | undefined {
  const attributes: [string, Attribute][] = []
  for (const [name, attribute] of node.attributes) {
    if (attribute.kind === 'graph' || attribute.kind === 'tensor' || attribute.kind === 'opaque') return undefined
    attributes.push([name, attribute])
  }
  attributes.sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([node.domain, node.opType, node.inputs, node.outputs.length, attributes])
}
