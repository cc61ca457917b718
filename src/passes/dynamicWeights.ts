/**
 * Networks that onnxruntime's dynamic quantisation made (the `model_quantized.onnx` of many a model on the Hub), made to compute
 * in float32. There, a weight is int8, and what it is multiplied with is rounded to int8 anew for every batch; through that
 * rounding no gradient passes, and a classifier cannot be told from what stands around it.
 */

import { constantFinder } from '../graph/constants.js'
import { consumers, type Graph, type Model, type Node, producers } from '../graph/graph.js'
import { float32, type Tensor, toNumbers } from '../graph/tensor.js'
import { reads } from '../onnx/names.js'

/**
 * The model with float32 weights, W = (W_int8 - zero point) * scale, under their names without `_quantized`; where nothing is
 * quantised so, the model itself.
 *
 * Before: x -> DynamicQuantizeLinear -> MatMulInteger(W int8) -> Cast -> Mul(scales) -> y
 * After:  x -> MatMul(W) -> y
 *
 * Before: W int8 -> Gather(ids) -> DequantizeLinear -> y
 * After:  W -> Gather(ids) -> y
 */
export function withoutDynamicQuantisation(model: Model): Model {
  const { graph } = model
  const rewrite = new Rewrite(graph)
  for (const node of graph.nodes) {
    if (node.domain !== '') continue
    if (node.opType === 'MatMulInteger') rewrite.product(node)
    else if (node.opType === 'DequantizeLinear') rewrite.lookUp(node)
  }
  return rewrite.changed ? { ...model, graph: rewrite.done() } : model
}

class Rewrite {
  readonly #graph: Graph
  readonly #made: ReadonlyMap<string, Node>
  readonly #readers: ReadonlyMap<string, readonly Node[]>
  readonly #constant: (value: string) => Tensor | undefined
  readonly #outputs: ReadonlySet<string>
  readonly #taken: Set<string>
  /** The float weight of each stored one. */
  readonly #weights = new Map<string, string>()
  readonly #initializers: Map<string, Tensor>
  /** Nodes that fall away; the last of each group is replaced. */
  readonly #gone = new Set<Node>()
  readonly #instead = new Map<Node, Node>()

  constructor(graph: Graph) {
    this.#graph = graph
    this.#made = producers(graph)
    this.#readers = consumers(graph)
    this.#constant = constantFinder(graph)
    this.#outputs = new Set(graph.outputs.map((output) => output.name))
    this.#initializers = new Map(graph.initializers)
    this.#taken = new Set([...graph.initializers.keys(), ...graph.inputs.map(({ name }) => name), ...this.#made.keys()])
  }

  get changed(): boolean {
    return this.#instead.size > 0
  }

  product(node: Node): void {
    const [x = '', w = '', xZero = '', wZero = ''] = node.inputs
    const rounding = this.#made.get(x)
    const cast = this.#onlyReader(node)
    const scaled = cast && this.#onlyReader(cast)
    if (rounding?.opType !== 'DynamicQuantizeLinear' || rounding.outputs[2] !== xZero) return
    if (cast?.opType !== 'Cast' || scaled?.opType !== 'Mul') return
    const factors = this.#made.get(scaled.inputs.find((input) => input !== cast.outputs[0]) ?? '')
    if (factors?.opType !== 'Mul' || !factors.inputs.includes(rounding.outputs[1] ?? '')) return
    const scale = factors.inputs.find((input) => input !== rounding.outputs[1]) ?? ''
    const weight = this.#weight(w, scale, wZero)
    if (weight === undefined) return
    for (const part of [node, cast, scaled]) this.#gone.add(part)
    this.#instead.set(scaled, {
      name: node.name,
      opType: 'MatMul',
      domain: '',
      inputs: [rounding.inputs[0] ?? '', weight],
      outputs: scaled.outputs,
      attributes: new Map(),
    })
  }

  lookUp(node: Node): void {
    const [found = '', scale = '', zero = ''] = node.inputs
    const gather = this.#made.get(found)
    if (gather?.opType !== 'Gather' || gather.domain !== '' || this.#onlyReader(gather) !== node) return
    // A scale of its own for each row would have to be looked up too.
    if (this.#constant(scale)?.dims.some((size) => size !== 1) !== false) return
    const weight = this.#weight(gather.inputs[0] ?? '', scale, zero)
    if (weight === undefined) return
    for (const part of [gather, node]) this.#gone.add(part)
    this.#instead.set(node, { ...gather, inputs: [weight, ...gather.inputs.slice(1)], outputs: node.outputs })
  }

  done(): Graph {
    const nodes = this.#graph.nodes.flatMap((node) => this.#instead.get(node) ?? (this.#gone.has(node) ? [] : [node]))
    // What only served the rounding is read by nobody now.
    const used = new Set(this.#outputs)
    const kept: Node[] = []
    for (const node of nodes.toReversed()) {
      const serves = ['DynamicQuantizeLinear', 'Mul', 'Constant'].includes(node.opType)
      if (serves && !node.outputs.some((output) => used.has(output))) continue
      kept.push(node)
      for (const name of reads(node)) used.add(name)
    }
    const wasRead = new Set(this.#graph.nodes.flatMap((node) => reads(node)))
    const initializers = [...this.#initializers].filter(([name]) => used.has(name) || !wasRead.has(name))
    return { ...this.#graph, nodes: kept.reverse(), initializers: new Map(initializers) }
  }

  #onlyReader(node: Node): Node | undefined {
    const output = node.outputs[0] ?? ''
    const [first, ...others] = this.#readers.get(output) ?? []
    return others.length === 0 && !this.#outputs.has(output) ? first : undefined
  }

  /** The name of the float weight; undefined where it is not stored, or its scales are not those of columns. */
  #weight(value: string, scaleName: string, zeroName: string): string | undefined {
    const known = this.#weights.get(value)
    if (known !== undefined) return known
    const [stored, scale, zero] = [value, scaleName, zeroName].map((name) => this.#constant(name))
    if (stored === undefined || scale === undefined || stored.dims.length !== 2) return undefined
    if (zeroName !== '' && zero === undefined) return undefined
    const columns = stored.dims[1] as number
    const perColumn = (tensor: Tensor | undefined) => {
      const numbers = tensor === undefined ? [0] : toNumbers(tensor)
      if (numbers.length === 1) return () => numbers[0] as number
      return numbers.length === columns ? (column: number) => numbers[column] as number : undefined
    }
    const [scaleOf, zeroOf] = [perColumn(scale), perColumn(zero)]
    if (scaleOf === undefined || zeroOf === undefined) return undefined
    const values = toNumbers(stored)
    const floats = Float32Array.from(values, (v, i) => (v - zeroOf(i % columns)) * scaleOf(i % columns))
    let name = value.replace(/_quantized$/, '')
    while (this.#taken.has(name)) name = `${name}.float`
    this.#taken.add(name)
    this.#weights.set(value, name)
    this.#initializers.set(name, float32(stored.dims, floats))
    return name
  }
}
