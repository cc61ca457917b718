/**
 * A {@link Model} to ONNX bytes: one file, or one with the large tensors in a second file beside it. What is read and
 * written again computes the same, bit for bit.
 */
import { GraftError } from '../base/errors.js'
import type { Attribute, Dimension, Graph, Model, ModelFunction, Node, ValueInfo, ValueType } from '../graph/graph.js'
import { byteSize, ELEMENT_TYPES, type Tensor, toInt64 } from '../graph/tensor.js'
import { encode } from './codec.js'
import { ATTRIBUTE_TYPES, type Message } from './schema.js'
import { bytesOf, type Placement, writeTensor } from './tensors.js'

/** Protobuf's own limit on one message. */
const FILE_LIMIT = 2 ** 31 - 1

/** Room for everything but the weights. */
const GRAPH_ROOM = 2 ** 24

/** Whether the model is too large for one file. */
export function needsDataFile(model: Model): boolean {
  let bytes = 0
  for (const tensor of model.graph.initializers.values()) bytes += byteSize(tensor)
  return bytes > FILE_LIMIT - GRAPH_ROOM
}

/**
 * The model as one file.
 *
 * @throws GraftError where the file would pass the 2 GB that protobuf allows
 */
export function writeModel(model: Model): Uint8Array {
  if (needsDataFile(model)) throw tooLarge(model)
  return encodeModel(model, new Map())
}

/** A model in two files. */
export interface ModelInTwoFiles {
  readonly model: Uint8Array
  /** The second file, piece by piece: each tensor is read when its turn comes. */
  data(): Generator<Uint8Array>
  /** Bytes of the second file. */
  readonly dataSize: number
}

/** Tensors of fewer bytes stay in the model file: shapes and scalars are wanted before any weight is read. */
const SMALLEST_OUTSIDE = 1024

/** What onnx.proto recommends, so that tensors can be mapped into memory. */
const ALIGNMENT = 4096

/**
 * The model with the initializers of its main graph in a second file, of any size.
 *
 * @param location how the model file names the second one: its name, for both lie in one folder
 */
export function writeModelInTwoFiles(model: Model, location: string): ModelInTwoFiles {
  const places = new Map<Tensor, Placement>()
  let end = 0
  for (const tensor of model.graph.initializers.values()) {
    const length = byteSize(tensor)
    if (length < SMALLEST_OUTSIDE || places.has(tensor)) continue
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT
    places.set(tensor, { location, offset, length })
    end = offset + length
  }
  return {
    model: encodeModel(model, places),
    dataSize: end,
    *data() {
      let at = 0
      for (const [tensor, { offset, length }] of places) {
        if (offset > at) yield new Uint8Array(offset - at)
        yield bytesOf(tensor)
        at = offset + length
      }
    },
  }
}

function tooLarge(model: Model): GraftError {
  let bytes = 0
  for (const tensor of model.graph.initializers.values()) bytes += byteSize(tensor)
  return new GraftError(
    `The model "${model.graph.name}" takes ${(bytes / 1e9).toFixed(1)} GB; one ONNX file holds at most 2.1 GB.`,
    { remedy: 'Use a smaller backbone.' },
  )
}

function encodeModel(model: Model, places: ReadonlyMap<Tensor, Placement>): Uint8Array {
  return encode(
    'ModelProto',
    {
      irVersion: BigInt(model.irVersion),
      producerName: model.producer.name,
      producerVersion: model.producer.version,
      graph: fromGraph(model.graph, model.irVersion, places),
      opsetImport: fromOpsets(model.opsets),
      metadataProps: Array.from(model.metadata, ([key, value]) => ({ key, value })),
      functions: model.functions.map(fromFunction),
    },
    FILE_LIMIT,
  )
}

function fromOpsets(opsets: ReadonlyMap<string, number>): Message<'OperatorSetIdProto'>[] {
  return Array.from(opsets, ([domain, version]) => ({ domain, version: BigInt(version) }))
}

function fromGraph(
  graph: Graph,
  irVersion: number,
  places: ReadonlyMap<Tensor, Placement> = new Map(),
): Message<'GraphProto'> {
  const proto: Message<'GraphProto'> = {
    node: graph.nodes.map(fromNode),
    name: graph.name,
    initializer: Array.from(graph.initializers, ([name, tensor]) => writeTensor(tensor, name, places.get(tensor))),
    input: graph.inputs.map(fromValueInfo),
    output: graph.outputs.map(fromValueInfo),
    valueInfo: Array.from(graph.valueInfo, ([name, type]) => fromValueInfo({ name, ...type })),
  }
  // Before IR 4 every initializer had to be a graph input too.
  if (irVersion < 4)
    for (const [name, { type, dims }] of graph.initializers)
      proto.input?.push(fromValueInfo({ name, type, shape: dims }))
  return proto
}

function fromValueInfo(info: ValueInfo): Message<'ValueInfoProto'> {
  return info.type === 'undefined'
    ? { name: info.name }
    : { name: info.name, type: { tensorType: fromValueType(info) } }
}

function fromValueType({ type, shape }: ValueType): Message<'TensorTypeProto'> {
  const elemType = ELEMENT_TYPES[type]
  return shape === undefined ? { elemType } : { elemType, shape: { dim: shape.map(fromDimension) } }
}

function fromDimension(dimension: Dimension): Message<'DimensionProto'> {
  if (dimension === undefined) return {}
  return typeof dimension === 'number' ? { dimValue: BigInt(dimension) } : { dimParam: dimension }
}

function fromNode(node: Node): Message<'NodeProto'> {
  return {
    input: [...node.inputs],
    output: [...node.outputs],
    name: node.name,
    opType: node.opType,
    attribute: fromAttributes(node.attributes),
    domain: node.domain,
    ...(node.overload ? { overload: node.overload } : {}),
  }
}

function fromAttributes(attributes: ReadonlyMap<string, Attribute>): Uint8Array[] {
  return Array.from(attributes, ([name, attribute]) =>
    attribute.kind === 'opaque' || attribute.kind === 'reference'
      ? attribute.value
      : encode('AttributeProto', fromAttribute(name, attribute)),
  )
}

function fromAttribute(
  name: string,
  attribute: Exclude<Attribute, { kind: 'opaque' | 'reference' }>,
): Message<'AttributeProto'> {
  const proto: Message<'AttributeProto'> = { name, type: ATTRIBUTE_TYPES[attribute.kind] }
  const encoder = new TextEncoder()
  switch (attribute.kind) {
    case 'float':
      proto.f = attribute.value
      break
    case 'int':
      proto.i = toInt64(attribute.value)
      break
    case 'string':
      proto.s = encoder.encode(attribute.value)
      break
    case 'floats':
      proto.floats = Float32Array.from(attribute.value)
      break
    case 'ints':
      proto.ints = BigInt64Array.from(attribute.value, toInt64)
      break
    case 'strings':
      proto.strings = attribute.value.map((text) => encoder.encode(text))
      break
    case 'tensor':
      proto.t = writeTensor(attribute.value, '')
      break
    case 'graph':
      // The rule about inputs is the main graph's alone.
      proto.g = fromGraph(attribute.value, Number.POSITIVE_INFINITY)
      break
  }
  return proto
}

function fromFunction(f: ModelFunction): Message<'FunctionProto'> {
  return {
    name: f.name,
    input: [...f.inputs],
    output: [...f.outputs],
    attribute: [...f.attributes],
    node: f.nodes.map(fromNode),
    opsetImport: fromOpsets(f.opsets),
    domain: f.domain,
    attributeProto: fromAttributes(f.attributeDefaults),
    ...(f.overload === '' ? {} : { overload: f.overload }),
  }
}
