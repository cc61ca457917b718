/**
 * Which stored tensors of a model are weights that could train, what each one is, and what users call it. Decided by
 * where a tensor is read, never by its name.
 */
import { constantFinder, constantTensor, isConstantNode } from '../graph/constants.js'
import type { Graph, Model, Node } from '../graph/graph.js'
import { consumers, producers } from '../graph/graph.js'
import { type ElementType, sizeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import { isDequantize, quantisedWeights } from '../passes/quantisedWeights.js'
import { dataFlow, isCarrier, isFloatTensor, weightFinder } from './weights.js'

/** weight: anything multiplied, convolved or looked up. norm scale, norm shift: gamma and beta of a normalisation. */
export type ParameterRole = 'weight' | 'bias' | 'norm scale' | 'norm shift'

export interface Parameter {
  /** What users call it: the nicer of the stored name and the name behind its Cast. */
  readonly name: string
  /** The value in the graph that holds it: an initializer, or the output of a Constant node. */
  readonly value: string
  readonly constant: boolean
  /** Of quantised weights the floats they stand for, computed when asked for. */
  readonly tensor: Tensor
  /** The type it is stored in. */
  readonly storedAs: ElementType
  readonly role: ParameterRole
  /** The nodes that compute with it, in graph order. */
  readonly readBy: readonly Node[]
}

/** The role of an operator's inputs, by position; positions left out do not train. */
const ROLES: Readonly<Record<string, readonly (ParameterRole | undefined)[]>> = {
  Conv: [undefined, 'weight', 'bias'],
  ConvTranspose: [undefined, 'weight', 'bias'],
  Gemm: ['weight', 'weight', 'bias'],
  MatMul: ['weight', 'weight'],
  FusedMatMul: ['weight', 'weight'],
  MatMulNBits: ['weight', 'weight', undefined, undefined, undefined, 'bias'],
  Einsum: ['weight', 'weight', 'weight', 'weight'],
  // com.microsoft's, with its projections inside; the standard operator's inputs there are computed.
  Attention: [undefined, 'weight', 'bias'],
  MultiHeadAttention: [undefined, undefined, undefined, 'bias'],
  BiasGelu: [undefined, 'bias'],
  FastGelu: [undefined, 'bias'],
  EmbedLayerNormalization: [undefined, undefined, 'weight', 'weight', 'weight', 'norm scale', 'norm shift'],
  FusedConv: [undefined, 'weight', 'bias'],
  FusedGemm: ['weight', 'weight', 'bias'],
  // Positions 3 and 4 are running statistics.
  BatchNormalization: [undefined, 'norm scale', 'norm shift'],
  InstanceNormalization: [undefined, 'norm scale', 'norm shift'],
  LayerNormalization: [undefined, 'norm scale', 'norm shift'],
  SkipLayerNormalization: [undefined, undefined, 'norm scale', 'norm shift', 'bias'],
  GroupNormalization: [undefined, 'norm scale', 'norm shift'],
  RMSNormalization: [undefined, 'norm scale'],
  SimplifiedLayerNormalization: [undefined, 'norm scale'],
  PRelu: [undefined, 'weight'],
  Gather: ['weight'],
  GatherND: ['weight'],
  GatherElements: ['weight'],
  Expand: ['weight'],
  Tile: ['weight'],
  LSTM: [undefined, 'weight', 'weight', 'bias', undefined, undefined, undefined, 'weight'],
  GRU: [undefined, 'weight', 'weight', 'bias'],
  RNN: [undefined, 'weight', 'weight', 'bias'],
}

/** Element-wise operators whose constant operands of one dimension or more are weights. */
const ELEMENTWISE = new Set(['Mul', 'Div', 'Add', 'Sub'])

/**
 * The trainable parameters, in the order in which the graph reads them. Left out: running statistics, integers, single
 * numbers, bounds, paddings and sizes, attention masks, constants applied to the raw input (its normalisation), and the
 * frequencies of positions (sines and cosines of what does not depend on the data).
 */
export function listParameters(model: Model): Parameter[] {
  const { graph } = model
  const readers = consumers(graph)
  const roles = roleFinder(graph)
  const stored = storedTensors(graph)
  const behind = sourcesOf(graph, stored)
  const found = new Map<string, { roles: Set<ParameterRole>; readBy: Node[] }>()
  const angles = angleNodes(graph)
  for (const node of graph.nodes) {
    if (node.outputs.some((output) => behind.has(output)) || angles.has(node)) continue
    node.inputs.forEach((input, position) => {
      for (const value of behind.get(input) ?? []) {
        const tensor = stored.get(value)?.tensor as Tensor
        const role = roles(node, position, tensor)
        if (role === undefined || (stored.get(value)?.constant && isFiller(tensor, role))) continue
        const entry = found.get(value) ?? { roles: new Set(), readBy: [] }
        entry.roles.add(role)
        if (!entry.readBy.includes(node)) entry.readBy.push(node)
        found.set(value, entry)
      }
    })
  }
  const taken = new Set<string>()
  return Array.from(found, ([value, { roles: seen, readBy }]) => {
    const nice = niceName(value, readers)
    const name = taken.has(nice) ? value : nice
    taken.add(name)
    const role = seen.has('weight') ? 'weight' : (seen.values().next().value as ParameterRole)
    return { name, value, ...(stored.get(value) as Stored), role, readBy }
  })
}

/** The nodes that compute angles from positions alone: rotary embeddings have fixed frequencies, not weights. */
function angleNodes(graph: Graph): ReadonlySet<Node> {
  const flow = dataFlow(graph).values
  const wanted = new Set<string>()
  const found = new Set<Node>()
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i] as Node
    const turns = node.domain === '' && (node.opType === 'Sin' || node.opType === 'Cos')
    if (node.outputs.some((output) => flow.has(output))) continue
    if (!turns && !node.outputs.some((output) => wanted.has(output))) continue
    found.add(node)
    for (const input of node.inputs) wanted.add(input)
  }
  return found
}

type Stored = Pick<Parameter, 'tensor' | 'storedAs' | 'constant'>

/** Floating-point (or quantised) tensors with a dimension. A Constant node holding one number is never a weight. */
function storedTensors(graph: Graph): Map<string, Stored> {
  const stored = new Map<string, Stored>()
  const add = (name: string, tensor: Tensor, constant: boolean) =>
    stored.set(name, { tensor, storedAs: tensor.type, constant })
  for (const [name, tensor] of graph.initializers)
    if (isFloatTensor(tensor) && tensor.dims.length > 0) add(name, tensor, false)
  for (const node of graph.nodes) {
    const tensor = isConstantNode(node) ? constantTensor(node) : undefined
    if (tensor && isFloatTensor(tensor) && tensor.dims.length > 0 && sizeOf(tensor.dims) > 1)
      add(node.outputs[0] ?? '', tensor, true)
  }
  const constant = constantFinder(graph)
  for (const { value, tensor } of quantisedWeights(graph).values()) {
    const storedAs = constant(value)?.type
    if (storedAs !== undefined && tensor.dims.length > 0)
      stored.set(value, { tensor, storedAs, constant: !graph.initializers.has(value) })
  }
  return stored
}

/** Operators that only pick, order or join the numbers of weights, besides those of {@link isCarrier}. */
const PICKERS = new Set(['Slice', 'Split', 'Concat', 'Pad'])

/** The stored tensors that each value holds the numbers of; values that are computed are not in the map. */
function sourcesOf(graph: Graph, stored: ReadonlyMap<string, Stored>): Map<string, ReadonlySet<string>> {
  const behind = new Map<string, ReadonlySet<string>>(Array.from(stored.keys(), (name) => [name, new Set([name])]))
  for (const node of graph.nodes) {
    const picks = node.domain === '' && PICKERS.has(node.opType)
    if (!picks && !isCarrier(node)) continue
    const data = node.opType === 'Concat' ? node.inputs : node.inputs.slice(0, 1)
    if (!data.every((input) => behind.has(input))) continue
    const all = new Set(data.flatMap((input) => [...(behind.get(input) ?? [])]))
    for (const output of node.outputs) if (output !== '') behind.set(output, all)
  }
  return behind
}

/** Exporters fill in a gamma of ones or a beta of zeros where the network has none. */
function isFiller(tensor: Tensor, role: ParameterRole): boolean {
  const neutral = role === 'norm scale' ? 1 : role === 'norm shift' || role === 'bias' ? 0 : undefined
  return neutral !== undefined && toNumbers(tensor).every((v) => v === neutral)
}

/**
 * `stem.weight_fp16 -> Cast -> stem.weight` is `stem.weight`: where the stored name only adds a suffix, the other is meant.
 * onnxruntime's quantiser writes `stem.weight_quantized -> DequantizeLinear -> stem.weight_DequantizeLinear_Output`.
 */
function niceName(value: string, readers: ReadonlyMap<string, readonly Node[]>): string {
  const stem = /^(.+)_quantized$/.exec(value)?.[1]
  for (const node of readers.get(value) ?? []) {
    const output = node.outputs[0] ?? ''
    if ((node.opType === 'Cast' || node.opType === 'CastLike') && output !== '' && value.startsWith(output))
      return output
    if (stem !== undefined && isDequantize(node)) return stem
  }
  return value
}

function roleFinder(graph: Graph): (node: Node, position: number, tensor: Tensor) => ParameterRole | undefined {
  const made = producers(graph)
  const find = weightFinder(graph)
  const raw = rawValues(graph)
  const weighted = (node: Node | undefined) => node !== undefined && ROLES[node.opType]?.[1] === 'weight'
  const single = (input: string) => {
    const source = find(input)
    return source !== undefined && sizeOf(source.tensor.dims) === 1
  }
  /** Mul by a vector right after a division or a normalisation without weights: the gamma of a norm that was written out. */
  const scales = (node: Node | undefined): boolean =>
    node?.opType === 'Mul' &&
    node.inputs.some((input) => {
      const source = find(input)
      return source !== undefined && source.tensor.dims.length === 1 && sizeOf(source.tensor.dims) > 1
    }) &&
    node.inputs.some((input) => made.get(input)?.opType === 'Div')
  return (node, position, tensor) => {
    const row = ROLES[node.opType]
    if (row) return row[position]
    const others = node.inputs.filter((_, i) => i !== position)
    if (node.opType === 'Concat') return others.some((input) => !find(input) && !raw.has(input)) ? 'weight' : undefined
    if (!ELEMENTWISE.has(node.opType) || (node.opType === 'Div' && position === 1)) return undefined
    const other = others[0] ?? ''
    // A weight times a stored number is a weight still; anything else made of constants alone is not looked into.
    if (raw.has(other) || isMask(tensor) || (find(other) && !single(other))) return undefined
    const before = made.get(other)
    if (node.opType === 'Mul' || node.opType === 'Div') return scales(node) ? 'norm scale' : 'weight'
    if (scales(before)) return 'norm shift'
    if (tensor.dims.length === 1 || weighted(before)) return 'bias'
    return 'weight'
  }
}

/** An attention mask: entries so negative that a softmax makes them nothing. */
function isMask(tensor: Tensor): boolean {
  if (tensor.dims.length < 2) return false
  return toNumbers(tensor).some((v) => v <= -100 || !Number.isFinite(v))
}

/** The input and what element-wise arithmetic and reordering make of it before any weight is applied. */
function rawValues(graph: Graph): ReadonlySet<string> {
  const find = weightFinder(graph)
  const raw = new Set(graph.inputs.map((input) => input.name))
  for (const node of dataFlow(graph).nodes) {
    const plain = ELEMENTWISE.has(node.opType) || isCarrier(node) || node.opType === 'Pad' || node.opType === 'Slice'
    if (plain && node.inputs.every((input) => input === '' || raw.has(input) || find(input)))
      for (const output of node.outputs) raw.add(output)
  }
  return raw
}
