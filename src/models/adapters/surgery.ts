/**
 * Changes a graph for an adapter: new weights, new nodes, and values taken apart so that something comes between. Nodes are
 * written in the model's own opset, and the graph stays as general in its shapes as it was.
 */
import { InternalError } from '../../base/errors.js'
import { type Attribute, attr, type Graph, type Model, type Node } from '../../graph/graph.js'
import { int64Vector, scalar, type Tensor } from '../../graph/tensor.js'
import { settleNames } from '../../onnx/names.js'
import { freshName, valueNames } from '../edit.js'

export interface OpOptions {
  readonly domain?: string
  /** The name of its output. */
  readonly into?: string
}

export class Surgery {
  readonly opset: number
  readonly #model: Model
  readonly #nodes: Node[]
  readonly #initializers: Map<string, Tensor>
  readonly #taken: Set<string>
  readonly #nodeNames: Set<string>
  /** What has become of a node of the model. */
  readonly #now = new Map<Node, Node>()
  /** New weights, with the node at whose depth each stands. */
  readonly #parameters = new Map<string, Node | undefined>()

  constructor(model: Model) {
    this.#model = model
    this.opset = model.opsets.get('') ?? 1
    this.#nodes = [...model.graph.nodes]
    this.#initializers = new Map(model.graph.initializers)
    this.#taken = valueNames(model.graph)
    this.#nodeNames = new Set(model.graph.nodes.map((node) => node.name))
  }

  /** The new weights in the order in which they were made. */
  get parameters(): ReadonlyMap<string, Node | undefined> {
    return this.#parameters
  }

  /** A weight that trains. @param at the node at whose depth it stands */
  parameter(name: string, tensor: Tensor, at: Node | undefined): string {
    const own = this.#fresh(name)
    this.#initializers.set(own, tensor)
    this.#parameters.set(own, at)
    return own
  }

  constant(hint: string, tensor: Tensor): string {
    const name = this.#fresh(hint)
    this.#initializers.set(name, tensor)
    return name
  }

  op(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    { domain = '', into }: OpOptions = {},
  ): string {
    const output = into ?? this.#fresh(`graft.${opType}`)
    let name = output
    for (let i = 2; this.#nodeNames.has(name); i++) name = `${output}_${i}`
    this.#nodeNames.add(name)
    this.#nodes.push({
      name,
      opType,
      domain,
      inputs,
      outputs: [output],
      attributes: new Map(Object.entries(attributes)),
    })
    return output
  }

  /** value[..., from:to, ...] along the axis; without `to`, up to its end. */
  slice(value: string, axis: number, from: number, to = 2 ** 31 - 1, options: OpOptions = {}): string {
    if (this.opset < 10) {
      const attributes = { axes: attr.ints([axis]), starts: attr.ints([from]), ends: attr.ints([to]) }
      return this.op('Slice', [value], attributes, options)
    }
    const ints = (hint: string, n: number) => this.constant(`graft.${hint}`, int64Vector([n]))
    return this.op('Slice', [value, ints('starts', from), ints('ends', to), ints('axes', axis)], {}, options)
  }

  unsqueeze(value: string, axes: readonly number[]): string {
    if (this.opset < 13) return this.op('Unsqueeze', [value], { axes: attr.ints(axes) })
    return this.op('Unsqueeze', [value, this.constant('graft.axes', int64Vector(axes))])
  }

  /** sqrt(sum x^2 + epsilon) over the axes, which are kept as 1. */
  norm(value: string, axes: readonly number[], epsilon: number): string {
    const keep = { keepdims: attr.int(1) }
    const squares =
      this.opset < 18
        ? this.op('ReduceSumSquare', [value], { ...keep, axes: attr.ints(axes) })
        : this.op('ReduceSumSquare', [value, this.constant('graft.axes', int64Vector(axes))], keep)
    return this.op('Sqrt', [this.op('Add', [squares, this.constant('graft.epsilon', scalar(epsilon))])])
  }

  /**
   * Puts something behind a value: whoever reads it reads what is built from it.
   *
   * @param build appends nodes that read `before`, the last of which writes `into`
   */
  after(value: string, build: (before: string, into: string) => void): void {
    const index = this.#nodes.findIndex((node) => node.outputs.includes(value))
    const node = this.#nodes[index]
    if (node === undefined) throw new InternalError(`no node computes "${value}"`)
    const before = this.#fresh(`${value}.before`)
    this.#replace(index, { ...node, outputs: node.outputs.map((o) => (o === value ? before : o)) })
    build(before, value)
  }

  /** Changes what a node of the model reads at one place. */
  setInput(node: Node, position: number, value: string): void {
    this.#change(node, (now) => ({ ...now, inputs: now.inputs.map((input, i) => (i === position ? value : input)) }))
  }

  /** What a node of the model reads at one place now. */
  input(node: Node, position: number): string {
    return (this.#now.get(node) ?? node).inputs[position] ?? ''
  }

  /** Leaves out the inputs of a node from a position on. */
  dropInputs(node: Node, from: number): void {
    this.#change(node, (now) => ({ ...now, inputs: now.inputs.slice(0, from) }))
  }

  /** Renames what nodes of the model read. */
  rewire(nodes: Iterable<Node>, names: ReadonlyMap<string, string>): void {
    for (const node of nodes)
      if (node.inputs.some((input) => names.has(input)))
        this.#change(node, (now) => ({ ...now, inputs: now.inputs.map((input) => names.get(input) ?? input) }))
  }

  /** A copy of a node of the model that reads other names; returns the names of its outputs by the original's. */
  copy(node: Node, names: ReadonlyMap<string, string>): Map<string, string> {
    const outputs = new Map(node.outputs.filter((o) => o !== '').map((o) => [o, this.#fresh(`${o}.copy`)]))
    const name = freshName(this.#nodeNames, `${node.name}.copy`)
    this.#nodeNames.add(name)
    this.#nodes.push({
      ...node,
      name,
      inputs: node.inputs.map((input) => names.get(input) ?? input),
      outputs: node.outputs.map((o) => outputs.get(o) ?? ''),
    })
    return outputs
  }

  #change(node: Node, edit: (now: Node) => Node): void {
    const now = this.#now.get(node) ?? node
    const index = this.#nodes.indexOf(now)
    if (index < 0) throw new InternalError(`the node "${node.name}" is not of this model`)
    this.#replace(index, edit(now), node)
  }

  #replace(index: number, node: Node, original?: Node): void {
    const before = this.#nodes[index] as Node
    const root = original ?? [...this.#now].find(([, now]) => now === before)?.[0] ?? before
    this.#nodes[index] = node
    this.#now.set(root, node)
  }

  #fresh(base: string): string {
    const name = freshName(this.#taken, base)
    this.#taken.add(name)
    return name
  }

  /** @param valueInfo whether what the file says of the shapes of intermediate values still holds */
  done({ valueInfo = true }: { valueInfo?: boolean } = {}): Model {
    const { graph } = this.#model
    const edited: Graph = {
      ...graph,
      nodes: [...this.#nodes],
      initializers: this.#initializers,
      valueInfo: valueInfo ? new Map(graph.valueInfo) : new Map(),
    }
    settleNames(edited)
    return { ...this.#model, graph: edited }
  }
}
