/**
 * The layers of a network that an adapter can stand on: those that multiply their input by a stored matrix or convolve it
 * with a stored kernel, whatever the operator is called and however the weight is stored. Found by structure.
 */
import { attr, consumers, floatAttribute, intAttribute, type Model, type Node } from '../../graph/graph.js'
import { sizeOf } from '../../graph/tensor.js'
import { isDequantize, isQuantize } from '../../passes/quantisedWeights.js'
import { listParameters, type Parameter } from '../parameters.js'
import { dataFlow, weightFinder } from '../weights.js'
import { type Arrangement, arrangementOf } from './arrangement.js'
import { modulePath } from './modulePath.js'

export interface Layer {
  readonly node: Node
  /** attention: com.microsoft's Attention, whose packed projection of queries, keys and values is inside the node. */
  readonly kind: 'linear' | 'convolution' | 'attention'
  /** The stored tensor of its weight, `Parameter.value`. Layers may share it. */
  readonly parameter: string
  /** What users call the weight. */
  readonly name: string
  readonly arrangement: Arrangement
  /** The weight is held, or rounded to, whole numbers: what is added to it would be rounded. */
  readonly quantised: boolean
  /** Position of the weight among the node's inputs. */
  readonly position: number
  /** Whether the operand is (out, in); convolutions are (out, in, ...kernel). */
  readonly outFirst: boolean
  /** The node multiplies the product by it. */
  readonly alpha: number
  readonly inputs: number
  readonly outputs: number
  readonly bias: LayerBias | undefined
  /** The node's result, before a bias that is added by the next node. */
  readonly product: string
  /** With the bias. */
  readonly output: string
  /** Path of the module in PyTorch, as far as the names of weight, bias or node tell it. */
  readonly module: string | undefined
}

export interface LayerBias {
  /** The stored tensor. */
  readonly parameter: string
  /** The value that is added. */
  readonly value: string
  /** The node that adds it: the layer's own, or the next. */
  readonly node: Node
}

/** Of a node that has a weight matrix but that no adapter can stand on, why. */
export interface Unsuitable {
  readonly node: Node
  readonly names: readonly string[]
  readonly reason: string
}

export interface Layers {
  readonly all: readonly Layer[]
  readonly unsuitable: readonly Unsuitable[]
}

const MICROSOFT = 'com.microsoft'

/** In graph order. */
export function findLayers(model: Model): Layers {
  const { graph } = model
  const find = weightFinder(graph)
  const flow = dataFlow(graph).values
  const parameters = new Map(listParameters(model).map((parameter) => [parameter.value, parameter]))
  const readers = consumers(graph)
  const all: Layer[] = []
  const unsuitable: Unsuitable[] = []
  for (const node of graph.nodes) {
    const form = formOf(node)
    if (form === undefined) continue
    const weights = node.inputs.flatMap((input, i) => {
      const source = form.weights.includes(i) && !flow.has(input) ? find(input) : undefined
      const parameter = source && parameters.get(source.value)
      return source && parameter ? [{ source, parameter, position: i }] : []
    })
    const [first] = weights
    if (first === undefined || first.source.tensor.dims.length < 2 || weights.length > 1) continue
    const refuse = (reason: string) =>
      unsuitable.push({ node, names: [first.parameter.name, first.parameter.value, node.name], reason })
    const arrangement = arrangementOf(first.source)
    if (arrangement === undefined) refuse('its weight is reshaped between the file and the layer')
    else if (first.position !== form.position) refuse('its weight is the left factor of the product')
    else if (!flow.has(node.inputs[0] ?? '')) refuse('its input does not depend on the data')
    else if (form.kind !== 'convolution' && arrangement.operand.length !== 2)
      refuse(`its weight has ${arrangement.operand.length} axes, expected 2`)
    else if (form.transposesInput) refuse('it transposes its input')
    else if (form.groups !== 1)
      refuse(`it is a convolution in ${form.groups} groups, to which a product of two small kernels cannot be added`)
    else {
      const other = first.parameter.readBy.find((reader) => formOf(reader)?.kind !== form.kind)
      if (other) refuse(`its weight is also read by [${other.opType} ${other.name}], which an adapter would change too`)
      else all.push(layerOf(node, form, first.parameter, arrangement, { find, parameters, readers, flow }))
    }
  }
  return { all, unsuitable }
}

interface Form {
  readonly kind: Layer['kind']
  /** Positions at which a weight may stand, and the one where it must. */
  readonly weights: readonly number[]
  readonly position: number
  readonly outFirst: boolean
  readonly alpha: number
  readonly transposesInput: boolean
  readonly groups: number
  /** Position of the bias within the node. */
  readonly bias: number | undefined
}

function formOf(node: Node): Form | undefined {
  const flag = (name: string) => intAttribute(node, name, 0) === 1
  const plain = { alpha: 1, transposesInput: false, groups: 1, position: 1 }
  const is = (domain: string, opType: string) => node.domain === domain && node.opType === opType
  if (is('', 'MatMul')) return { ...plain, kind: 'linear', weights: [0, 1], outFirst: false, bias: undefined }
  if (is('', 'Gemm'))
    return {
      ...plain,
      kind: 'linear',
      weights: [0, 1],
      outFirst: flag('transB'),
      alpha: floatAttribute(node, 'alpha', 1),
      transposesInput: flag('transA'),
      bias: floatAttribute(node, 'beta', 1) === 1 ? 2 : undefined,
    }
  if (is(MICROSOFT, 'FusedMatMul'))
    return {
      ...plain,
      kind: 'linear',
      weights: [0, 1],
      outFirst: flag('transB'),
      alpha: floatAttribute(node, 'alpha', 1),
      transposesInput: flag('transA') || flag('transBatchA') || flag('transBatchB'),
      bias: undefined,
    }
  if (is('', 'Conv'))
    return {
      ...plain,
      kind: 'convolution',
      weights: [1],
      outFirst: true,
      groups: intAttribute(node, 'group', 1),
      bias: 2,
    }
  if (is(MICROSOFT, 'Attention')) return { ...plain, kind: 'attention', weights: [1], outFirst: false, bias: 2 }
  return undefined
}

interface Surroundings {
  readonly find: ReturnType<typeof weightFinder>
  readonly parameters: ReadonlyMap<string, Parameter>
  readonly readers: ReadonlyMap<string, readonly Node[]>
  readonly flow: ReadonlySet<string>
}

function layerOf(node: Node, form: Form, parameter: Parameter, arrangement: Arrangement, around: Surroundings): Layer {
  const { operand } = arrangement
  const [rows = 0, columns = 0] = operand
  const outputs = form.outFirst ? rows : columns
  const product = node.outputs[0] ?? ''
  const added = form.kind === 'attention' ? undefined : addedBias(product, outputs, around)
  const inside = form.bias === undefined ? '' : (node.inputs[form.bias] ?? '')
  const bias = inside !== '' ? biasOf(inside, node, around) : added && biasOf(added.value, added.node, around)
  return {
    node,
    kind: form.kind,
    parameter: parameter.value,
    name: parameter.name,
    arrangement,
    quantised: (around.find(node.inputs[form.position] ?? '')?.path ?? []).some(
      (n) => isQuantize(n) || isDequantize(n),
    ),
    position: form.position,
    outFirst: form.outFirst,
    alpha: form.alpha,
    inputs: form.outFirst ? columns : rows,
    outputs,
    bias,
    product,
    output: inside === '' && bias !== undefined && added ? (added.node.outputs[0] ?? product) : product,
    module: modulePath(parameter.name, bias && ownName(bias, parameter, around), node.name),
  }
}

/** An Add of a vector of the layer's width that is the only reader of its product. */
function addedBias(product: string, width: number, { find, readers, flow }: Surroundings) {
  const [node, ...others] = readers.get(product) ?? []
  if (node === undefined || others.length > 0 || node.opType !== 'Add' || node.domain !== '') return undefined
  const value = node.inputs.find((input) => input !== product)
  if (value === undefined || flow.has(value)) return undefined
  const source = find(value)
  if (source === undefined || source.tensor.dims.at(-1) !== width || sizeOf(source.tensor.dims) !== width)
    return undefined
  return { node, value }
}

function biasOf(value: string, node: Node, { find }: Surroundings): LayerBias | undefined {
  const source = find(value)
  if (source === undefined) return undefined
  return { parameter: source.value, value, node }
}

/** Exporters store equal tensors once: the name of a bias that other layers read too says nothing of this one. */
function ownName({ parameter }: LayerBias, weight: Parameter, { parameters }: Surroundings): string | undefined {
  const bias = parameters.get(parameter)
  return bias !== undefined && bias.readBy.length <= weight.readBy.length ? bias.name : undefined
}

/** The attributes of a convolution that say where its kernel goes. */
export function placement({ node }: Layer): Record<string, NonNullable<ReturnType<Node['attributes']['get']>>> {
  const kept = ['strides', 'pads', 'dilations', 'auto_pad', 'kernel_shape']
  const found = [...node.attributes].filter(([name]) => kept.includes(name))
  return { ...Object.fromEntries(found), group: attr.int(1) }
}
