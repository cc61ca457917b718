/** Quantised models made trainable: what trains, and what depends on it, computes in float32. */

import { constantFinder } from '../graph/constants.js'
import { attr, type Graph, type Model, type Node, producers } from '../graph/graph.js'
import { float32, type Tensor, toNumbers } from '../graph/tensor.js'
import { outerNames, reads } from '../onnx/names.js'
import { quantisationOf, quantisedRange, sameQuantisation } from './quantisation.js'
import { isDequantize, isNBits, isQuantize, type QuantisedWeight, quantisedWeights } from './quantisedWeights.js'

/**
 * The model with float32 in place of the quantised weights that are asked for, under the name of the stored tensor, in
 * its layout, with the numbers that the network computed with (of MatMulNBits, (K, N)).
 *
 * Before: W int8 -> DequantizeLinear -> Conv -> QuantizeLinear -> DequantizeLinear -> Relu
 * After:  W float32 -> Conv -> Clip to the range of the quantised numbers -> Relu
 *
 * Pairs of QuantizeLinear and DequantizeLinear on values that depend on what trains are dropped but for the range they
 * saturate at: quantisers leave activations such as Relu to it. Everything else stays as it is.
 *
 * @param trained whether a stored tensor trains, by its name
 */
export function withFloatWeights(model: Model, trained: (value: string) => boolean): Model {
  const weights = [...quantisedWeights(model.graph).values()].filter(({ value }) => trained(value))
  const edit = new Edit(model)
  for (const weight of weights) edit.weight(weight)
  edit.activations(dependents(model.graph, trained), model.opsets.get('') ?? 1)
  return edit.done()
}

/** Values that depend on a parameter that trains. */
function dependents(graph: Graph, trained: (value: string) => boolean): ReadonlySet<string> {
  const moving = new Set([...graph.initializers.keys()].filter(trained))
  for (const node of graph.nodes)
    if (reads(node).some((value) => moving.has(value)) || (node.opType === 'Constant' && node.outputs.some(trained)))
      for (const output of node.outputs) moving.add(output)
  return moving
}

class Edit {
  readonly #model: Model
  readonly #initializers: Map<string, Tensor>
  readonly #valueInfo: Graph['valueInfo']
  /** Nodes that fall away, or what takes their place. */
  readonly #replaced = new Map<Node, Node | undefined>()
  /** Nodes that go before the one that takes a node's place. */
  readonly #added = new Map<Node, Node>()
  /** Another name for the value of a node that fell away. */
  readonly #aliases = new Map<string, string>()

  readonly #taken: Set<string>

  constructor(model: Model) {
    this.#model = model
    this.#taken = new Set([
      ...model.graph.initializers.keys(),
      ...model.graph.inputs.map((input) => input.name),
      ...model.graph.nodes.flatMap((node) => node.outputs),
    ])
    this.#initializers = new Map(model.graph.initializers)
    this.#valueInfo = new Map(model.graph.valueInfo)
  }

  weight({ value, tensor, path, ends }: QuantisedWeight): void {
    this.#initializers.set(value, tensor)
    for (const node of this.#model.graph.nodes)
      if (node.opType === 'Constant' && node.outputs[0] === value) this.#replaced.set(node, undefined)
    for (const node of path) {
      for (const output of node.outputs) this.#valueInfo.delete(output)
      if (node.opType === 'Cast' || isQuantize(node)) this.#skip(node)
    }
    for (const node of ends) {
      if (isDequantize(node)) this.#skip(node)
      else if (isNBits(node)) this.#product(node, value)
    }
  }

  /** Readers of the node's output read its input. */
  #skip(node: Node): void {
    const [input = '', output = ''] = [node.inputs[0], node.outputs[0]]
    const isOutput = this.#model.graph.outputs.some(({ name }) => name === output)
    if (isOutput)
      this.#replaced.set(node, { ...node, opType: 'Identity', domain: '', inputs: [input], attributes: new Map() })
    else {
      this.#replaced.set(node, undefined)
      this.#aliases.set(output, input)
      this.#valueInfo.delete(output)
    }
  }

  #product(node: Node, weight: string): void {
    const [a = '', , , , , bias = ''] = node.inputs
    const output = node.outputs[0] ?? ''
    const product = { ...node, opType: 'MatMul', domain: '', inputs: [a, weight], attributes: new Map() }
    if (bias === '') {
      this.#replaced.set(node, product)
      return
    }
    const sum = this.#fresh(`${output}.product`)
    this.#added.set(node, { ...product, name: `${node.name}.product`, outputs: [sum] })
    this.#replaced.set(node, { ...product, opType: 'Add', inputs: [sum, bias], outputs: [output] })
  }

  activations(moving: ReadonlySet<string>, opset: number): void {
    const { graph } = this.#model
    const made = producers(graph)
    const constant = constantFinder(graph)
    for (const node of graph.nodes) {
      if (!isDequantize(node) || this.#replaced.has(node)) continue
      const before = made.get(node.inputs[0] ?? '')
      if (!isQuantize(before) || this.#replaced.has(before) || !moving.has(before.inputs[0] ?? '')) continue
      const [from, to] = [quantisationOf(before, constant), quantisationOf(node, constant)]
      const range = from && quantisedRange(before, from)
      if (!range || !to || !sameQuantisation(from, to)) continue
      const [scale, ...more] = toNumbers(from.scale)
      if (scale === undefined || more.length > 0 || from.scale.type !== 'float32') continue
      const zero = from.zero ? (toNumbers(from.zero)[0] ?? 0) : 0
      const [low, high] = range.map((end) => Math.fround((end - zero) * scale)) as [number, number]
      const output = node.outputs[0] ?? ''
      const clip = { ...node, opType: 'Clip', domain: '', attributes: new Map() }
      const x = before.inputs[0] ?? ''
      if (opset < 11) {
        const attributes = new Map([
          ['min', attr.float(low)],
          ['max', attr.float(high)],
        ])
        this.#replaced.set(node, { ...clip, inputs: [x], attributes })
        continue
      }
      const ends = [low, high].map((end, i) => {
        const name = this.#fresh(`${output}.${i === 0 ? 'lowest' : 'highest'}`)
        this.#initializers.set(name, float32([], [end]))
        return name
      })
      this.#replaced.set(node, { ...clip, inputs: [x, ...ends] })
    }
  }

  #fresh(base: string): string {
    let name = base
    while (this.#taken.has(name)) name += '_'
    this.#taken.add(name)
    return name
  }

  done(): Model {
    const { graph } = this.#model
    if (this.#replaced.size === 0) return this.#model
    const nodes = graph.nodes.flatMap((node) => {
      const added = this.#added.get(node)
      const now = this.#replaced.has(node) ? this.#replaced.get(node) : node
      return [...(added ? [added] : []), ...(now ? [now] : [])].map((one) => this.#renamed(one))
    })
    const outputs = new Set(graph.outputs.map(({ name }) => name))
    // What only the nodes that fell away have read falls away too.
    const gone = new Set([...this.#replaced.keys()].flatMap((node) => node.inputs))
    let kept = nodes
    let initializers = this.#initializers
    for (let size = -1; size !== kept.length; ) {
      size = kept.length
      const read = new Set(kept.flatMap(reads))
      const unread = (name: string) => gone.has(name) && !read.has(name) && !outputs.has(name)
      for (const node of kept) if (node.outputs.every(unread)) for (const input of node.inputs) gone.add(input)
      kept = kept.filter((node) => !node.outputs.every(unread))
      initializers = new Map([...initializers].filter(([name]) => !unread(name)))
    }
    return { ...this.#model, graph: { ...graph, nodes: kept, initializers, valueInfo: this.#valueInfo } }
  }

  #current(name: string): string {
    const next = this.#aliases.get(name)
    return next === undefined ? name : this.#current(next)
  }

  #renamed(node: Node): Node {
    if (!reads(node).some((name) => this.#aliases.has(name))) return node
    const attributes = new Map(node.attributes)
    for (const [name, attribute] of attributes)
      if (attribute.kind === 'graph') attributes.set(name, { kind: 'graph', value: this.#inside(attribute.value) })
    return { ...node, inputs: node.inputs.map((name) => this.#current(name)), attributes }
  }

  #inside(graph: Graph): Graph {
    const outer = outerNames(graph)
    if (![...outer].some((name) => this.#aliases.has(name))) return graph
    const outputs = graph.outputs.map((output) => ({ ...output, name: this.#current(output.name) }))
    return { ...graph, outputs, nodes: graph.nodes.map((node) => this.#renamed(node)) }
  }
}
