/**
 * Heads as plain ONNX nodes with initializers of their own, ready to be appended to a graph whose batch may be dynamic.
 */
import { type Attribute, attr, type Graph, type Node } from '../../graph/graph.js'
import { float32, int64Vector, type Tensor } from '../../graph/tensor.js'
import type { LinearHead } from './classifier.js'

export interface HeadNodes {
  /** In topological order. */
  readonly nodes: readonly Node[]
  readonly initializers: ReadonlyMap<string, Tensor>
}

/** Collects nodes; every call names its output. */
export class HeadWriter implements HeadNodes {
  readonly nodes: Node[] = []
  readonly initializers = new Map<string, Tensor>()
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  constant(name: string, tensor: Tensor): string {
    const full = `${this.#prefix}${name}`
    this.initializers.set(full, tensor)
    return full
  }

  floats(name: string, dims: readonly number[], values: Float32Array | readonly number[]): string {
    return this.constant(name, float32(dims, values))
  }

  ints(name: string, values: readonly number[]): string {
    return this.constant(name, int64Vector(values))
  }

  /** Appends a node; an output that starts with `=` is a full name, any other gets the prefix. */
  op(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
    ...outputs: string[]
  ): string {
    const named = outputs.map((o) => (o === '' ? '' : o.startsWith('=') ? o.slice(1) : `${this.#prefix}${o}`))
    const first = named.find((o) => o !== '') as string
    const attributeMap = new Map(Object.entries(attributes))
    this.nodes.push({ name: first, opType, domain: '', inputs, outputs: named, attributes: attributeMap })
    return first
  }
}

/** One Gemm: output = features weightᵀ + bias. */
export function linearNodes(head: LinearHead, features: string, output: string, prefix: string): HeadNodes {
  const w = new HeadWriter(prefix)
  const weight = w.floats('weight', [head.weight.rows, head.weight.columns], head.weight.data)
  const bias = w.floats('bias', [head.bias.length], head.bias)
  w.op('Gemm', [features, weight, bias], { transB: attr.int(1) }, `=${output}`)
  return w
}

/** Appends a head to a graph that has the value `features`; the graph's outputs are left as they are. */
export function appendHead(graph: Graph, head: HeadNodes): void {
  graph.nodes.push(...head.nodes)
  for (const [name, tensor] of head.initializers) graph.initializers.set(name, tensor)
}
