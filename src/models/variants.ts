/**
 * Smaller files of a network that compute nearly the same: weights as float16, or as int8 with a scale a channel. Only how
 * the weights are stored changes; they are widened to float32 where they are read, by standard operators, so that every
 * onnxruntime runs the result and inputs and outputs stay float32.
 */

import { constantTensor, isConstantNode } from '../graph/constants.js'
import { toFloat32 } from '../graph/convert.js'
import { numberToHalf } from '../graph/formats.js'
import { attr, type Graph, type Model, type Node } from '../graph/graph.js'
import { sizeOf, type Tensor } from '../graph/tensor.js'
import { reads } from '../onnx/names.js'
import { freshName, valueNames } from './edit.js'

export interface Variant {
  readonly model: Model
  /** How many tensors are stored in the smaller form. */
  readonly converted: number
}

/** Smaller tensors are left: they weigh nothing, and norms and scales are the most sensitive. */
const LEAST = 256
const HALF_MAX = 65504

/** Matrices and kernels as float16 behind a Cast. What does not fit into float16 stays as it is. */
export function halfVariant(model: Model): Variant {
  return convert(model, asHalf)
}

function asHalf({ tensor }: Weight, name: (part: string) => string): Smaller | undefined {
  if (tensor.type !== 'float32') return undefined
  const values = tensor.data as Float32Array
  if (!values.every((v) => Math.abs(v) <= HALF_MAX)) return undefined
  const half: Tensor = { type: 'float16', dims: tensor.dims, data: Uint16Array.from(values, numberToHalf) }
  return {
    stored: new Map([[name('fp16'), half]]),
    node: { opType: 'Cast', inputs: [name('fp16')], attributes: new Map([['to', attr.int(1)]]) },
  }
}

/** The axis that counts the output channels of a weight, by the operator and the input's position. */
function channelAxis({ opType, domain, attributes }: Node, position: number, rank: number): number | undefined {
  if (domain !== '') return undefined
  const transposed = (name: string) => {
    const found = attributes.get(name)
    return found?.kind === 'int' && found.value === 1
  }
  switch (`${opType} ${position}`) {
    case 'Conv 1':
      return 0
    case 'ConvTranspose 1':
      return 1
    case 'Gemm 0':
      return transposed('transA') ? 1 : 0
    case 'Gemm 1':
      return transposed('transB') ? 0 : 1
    case 'MatMul 0':
      return rank - 2
    case 'MatMul 1':
      return rank - 1
    case 'Gather 0':
      return 0
    default:
      return undefined
  }
}

/** From this opset on DequantizeLinear takes a scale a channel; before it a Cast and a Mul say the same. */
const PER_AXIS = 13

/** Fewer numbers a channel, as in depthwise convolutions, lose much by int8 and save little: rounding does not average out. */
const LEAST_IN_CHANNEL = 33

/**
 * Weights of convolutions, matrix products and look-up tables as int8 with one scale a channel, symmetric:
 * w = q s, s = max |w| / 127 over the channel, q = round(w / s). Those with few numbers a channel become float16.
 */
export function quantisedVariant(model: Model): Variant {
  const perAxis = (model.opsets.get('') ?? 1) >= PER_AXIS
  return convert(model, (weight, name) => {
    const { tensor, readers } = weight
    const { dims } = tensor
    const axes = readers.map(({ node, position }) => channelAxis(node, position, dims.length))
    const axis = axes[0]
    if (axis === undefined || axes.some((other) => other === undefined)) return undefined
    if (sizeOf(dims) < LEAST_IN_CHANNEL * (dims[axis] as number)) return asHalf(weight, name)
    const values = toFloat32(tensor).data as Float32Array
    if (!values.every(Number.isFinite)) return undefined
    const { quantised, scales } = quantise(values, dims, axis)
    const stored: [string, Tensor][] = [[name('int8'), { type: 'int8', dims, data: quantised }]]
    if (perAxis)
      return {
        stored: new Map([...stored, [name('scale'), { type: 'float32', dims: [scales.length], data: scales }]]),
        node: {
          opType: 'DequantizeLinear',
          inputs: [name('int8'), name('scale')],
          attributes: new Map([['axis', attr.int(axis)]]),
        },
      }
    const spread = dims.map((_, i) => (i === axis ? scales.length : 1))
    return {
      stored: new Map([...stored, [name('scale'), { type: 'float32', dims: spread, data: scales }]]),
      before: {
        opType: 'Cast',
        inputs: [name('int8')],
        output: name('integers'),
        attributes: new Map([['to', attr.int(1)]]),
      },
      node: { opType: 'Mul', inputs: [name('integers'), name('scale')], attributes: new Map() },
    }
  })
}

function quantise(values: Float32Array, dims: readonly number[], axis: number) {
  const channels = dims[axis] as number
  const inner = sizeOf(dims.slice(axis + 1))
  const channelOf = (i: number) => Math.floor(i / inner) % channels
  const scales = new Float32Array(channels)
  for (const [i, value] of values.entries()) {
    const c = channelOf(i)
    scales[c] = Math.max(scales[c] as number, Math.abs(value))
  }
  for (const [c, largest] of scales.entries()) scales[c] = largest === 0 ? 1 : largest / 127
  const quantised = Int8Array.from(values, (value, i) => Math.round(value / (scales[channelOf(i)] as number)))
  return { quantised, scales }
}

interface Weight {
  /** In its stored type. */
  readonly tensor: Tensor
  /** Who reads the float32 value. */
  readonly readers: readonly { readonly node: Node; readonly position: number }[]
}

interface Smaller {
  readonly stored: ReadonlyMap<string, Tensor>
  readonly before?: Pick<Node, 'opType' | 'inputs' | 'attributes'> & { readonly output: string }
  /** Makes the weight of what is stored. */
  readonly node: Pick<Node, 'opType' | 'inputs' | 'attributes'>
}

/** Replaces the tensors behind weights, stored as they are or behind a Cast, as initializers or as Constant nodes. */
function convert(
  model: Model,
  smaller: (weight: Weight, name: (part: string) => string) => Smaller | undefined,
): Variant {
  const { graph } = model
  const taken = valueNames(graph)
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const stored = storedTensors(graph)
  const readers = readersOf(graph)
  const initializers = new Map(graph.initializers)
  const made: Node[] = []
  const dropped = new Set<Node>()
  let converted = 0
  for (const [value, { tensor, node }] of stored) {
    const own = readers.get(value) ?? []
    if (tensor.dims.length < 2 || sizeOf(tensor.dims) < LEAST || own.length === 0 || outputs.has(value)) continue
    const names = new Map<string, string>()
    const name = (part: string) => {
      const known = names.get(part) ?? freshName(taken, `${value}_${part}`)
      names.set(part, known)
      return known
    }
    const found = smaller({ tensor, readers: own }, name)
    if (!found) continue
    converted++
    for (const [key, small] of found.stored) {
      initializers.set(key, small)
      taken.add(key)
    }
    const { before } = found
    if (before) {
      taken.add(before.output)
      made.push({ ...before, name: before.output, domain: '', outputs: [before.output] })
    }
    made.push({ ...found.node, name: value, domain: '', outputs: [value] })
    initializers.delete(value)
    if (node) dropped.add(node)
  }
  const nodes = [...made, ...graph.nodes.filter((node) => !dropped.has(node))]
  const read = new Set([...nodes.flatMap((node) => [...reads(node)]), ...outputs])
  for (const name of [...initializers.keys()]) if (!read.has(name)) initializers.delete(name)
  return { model: { ...model, graph: { ...graph, nodes, initializers } }, converted }
}

/** Float weights by the float32 value they are read as, with the node that makes it of what is stored. */
function storedTensors(graph: Graph): Map<string, { tensor: Tensor; node: Node | undefined }> {
  const stored = new Map<string, { tensor: Tensor; node: Node | undefined }>()
  for (const [name, tensor] of graph.initializers)
    if (tensor.type === 'float32') stored.set(name, { tensor, node: undefined })
  for (const node of graph.nodes) {
    const output = node.outputs[0] ?? ''
    if (isConstantNode(node)) {
      const tensor = constantTensor(node)
      if (tensor?.type === 'float32') stored.set(output, { tensor, node })
    } else if (node.opType === 'Cast' && node.domain === '') {
      const to = node.attributes.get('to')
      const tensor = graph.initializers.get(node.inputs[0] ?? '')
      const half = tensor?.type === 'float16' || tensor?.type === 'bfloat16'
      if (tensor && half && to?.kind === 'int' && to.value === 1) stored.set(output, { tensor, node })
    }
  }
  return stored
}

function readersOf(graph: Graph): Map<string, { node: Node; position: number }[]> {
  const readers = new Map<string, { node: Node; position: number }[]>()
  for (const node of graph.nodes) {
    const direct = new Set(node.inputs)
    const add = (value: string, position: number) => {
      const list = readers.get(value)
      if (list) list.push({ node, position })
      else readers.set(value, [{ node, position }])
    }
    for (const [position, value] of node.inputs.entries()) if (value !== '') add(value, position)
    // A branch or loop body that reads it stands at no position.
    for (const value of reads(node)) if (!direct.has(value)) add(value, -1)
  }
  return readers
}
