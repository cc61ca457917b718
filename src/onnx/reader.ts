/**
 * ONNX bytes to a {@link Model}. Everything in the file is checked here once, so that the rest of Graft may rely on it:
 * one producer a value, no dangling names, topological order, data that fits its shape. Initializers are never graph
 * inputs in a Model (files of IR 3 list them there too; a default for an input becomes a constant).
 */
import { GraftError, messageOf } from '../base/errors.js'
import type { Attribute, Dimension, Graph, Model, ModelFunction, Node, ValueInfo, ValueType } from '../graph/graph.js'
import { elementTypeOf } from '../graph/tensor.js'
import { type Budget, decode, defaultBudget } from './codec.js'
import { settleNames } from './names.js'
import { ATTRIBUTE_GRAPHS, ATTRIBUTE_TYPES, type Message } from './schema.js'
import { type ExternalData, readTensor } from './tensors.js'

export interface ReadOptions {
  /** How errors call the file. */
  readonly name?: string
  /** Reads files beside the model that hold its large tensors; the location is relative and stays inside the folder. */
  readonly externalData?: ExternalData
}

interface Context {
  readonly budget: Budget
  readonly externalData: ExternalData | undefined
  readonly depth: number
}

/** Sub-graphs nested deeper than any program writes them. */
const DEPTH_LIMIT = 64

/**
 * Reads a model. Tensors are views into `bytes` where they are aligned: do not change or detach them afterwards.
 *
 * @throws GraftError where the bytes are not a sound ONNX model
 */
export function readModel(bytes: Uint8Array, options: ReadOptions = {}): Model {
  const name = options.name ?? 'The model'
  const context: Context = { budget: defaultBudget(), externalData: options.externalData, depth: 0 }
  try {
    return toModel(decode('ModelProto', bytes, context.budget), context)
  } catch (error) {
    const guess = otherFormat(bytes)
    if (guess)
      throw new GraftError(`${name} is not an ONNX model: ${guess.found}.`, { remedy: guess.remedy, cause: error })
    if (error instanceof GraftError)
      throw new GraftError(`${name} cannot be used. ${error.message}`, {
        cause: error,
        ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
      })
    throw new GraftError(`${name} is not a readable ONNX model of ${bytes.length} bytes: ${messageOf(error)}.`, {
      remedy: 'The file is truncated, damaged or of another format; download or export it again.',
      cause: error,
    })
  }
}

function toModel(proto: Message<'ModelProto'>, context: Context): Model {
  if (!proto.graph) throw new Error('it holds no graph')
  const opsets = toOpsets(proto.opsetImport ?? [])
  if (opsets.size === 0) throw new Error('it imports no operator set')
  const graph = toGraph(proto.graph, context)
  settleNames(graph)
  return {
    graph,
    irVersion: Number(proto.irVersion ?? 0n),
    opsets,
    functions: (proto.functions ?? []).map((f) => toFunction(f, context)),
    producer: { name: proto.producerName ?? '', version: proto.producerVersion ?? '' },
    metadata: new Map((proto.metadataProps ?? []).map((e) => [e.key ?? '', e.value ?? ''])),
  }
}

/** The standard domain is written '' or 'ai.onnx'. */
const toDomain = (domain: string | undefined) => (domain === undefined || domain === 'ai.onnx' ? '' : domain)

function toOpsets(imports: readonly Message<'OperatorSetIdProto'>[]): Map<string, number> {
  const opsets = new Map<string, number>()
  for (const { domain, version } of imports) {
    const number = Number(version ?? 0n)
    const known = opsets.get(toDomain(domain))
    if (known !== undefined && known !== number)
      throw new Error(`it imports versions ${known} and ${number} of one operator set`)
    opsets.set(toDomain(domain), number)
  }
  return opsets
}

function toGraph(proto: Message<'GraphProto'>, context: Context): Graph {
  const sparse = proto.sparseInitializer?.[0]
  if (sparse)
    throw new GraftError(
      `The weight "${sparse.values?.name ?? ''}" is stored as a sparse tensor, which Graft does not read.`,
      {
        remedy: 'Export the model with dense weights.',
      },
    )
  const initializers: Graph['initializers'] = new Map()
  for (const tensor of proto.initializer ?? []) {
    const name = tensor.name ?? ''
    if (name === '')
      throw new GraftError('An initializer has no name.', { remedy: 'The file is damaged; export it again.' })
    if (initializers.has(name))
      throw new GraftError(`The initializer "${name}" is defined twice.`, {
        remedy: 'The file is damaged; export it again.',
      })
    initializers.set(name, readTensor(tensor, `Initializer "${name}"`, context.externalData))
  }
  const valueInfo: Graph['valueInfo'] = new Map()
  for (const info of proto.valueInfo ?? []) {
    const type = toValueType(info)
    if (type && info.name) valueInfo.set(info.name, type)
  }
  const describe =
    (role: string) =>
    (info: Message<'ValueInfoProto'>): ValueInfo => {
      const type = toValueType(info)
      if (type) return { name: info.name ?? '', ...type }
      // The body of an If, Loop or Scan need not say its types.
      if (context.depth > 0) return { name: info.name ?? '', type: 'undefined', shape: undefined }
      throw new GraftError(`The ${role} "${info.name ?? ''}" is not a tensor of a known type.`, {
        remedy: 'Graft takes and gives tensors only; export the model without sequences, maps and optional values.',
      })
    }
  const inputs = (proto.input ?? []).filter((input) => !initializers.has(input.name ?? ''))
  return {
    name: proto.name ?? '',
    inputs: inputs.map(describe('input')),
    outputs: (proto.output ?? []).map(describe('output')),
    nodes: (proto.node ?? []).map((node) => toNode(node, context)),
    initializers,
    valueInfo,
  }
}

function toValueType(info: Message<'ValueInfoProto'>): ValueType | undefined {
  const tensor = info.type?.tensorType
  const type = elementTypeOf(tensor?.elemType ?? 0)
  if (!tensor || type === undefined || type === 'undefined') return undefined
  if (!tensor.shape) return { type, shape: undefined }
  return { type, shape: (tensor.shape.dim ?? []).map(toDimension) }
}

/** Some exporters write -1 or an empty symbol for an unknown dimension. */
function toDimension(dim: Message<'DimensionProto'>): Dimension {
  if (dim.dimValue !== undefined) return dim.dimValue >= 0n ? Number(dim.dimValue) : undefined
  return dim.dimParam === undefined || dim.dimParam === '' ? undefined : dim.dimParam
}

function toNode(proto: Message<'NodeProto'>, context: Context): Node {
  if (!proto.opType)
    throw new GraftError(`A node "${proto.name ?? ''}" names no operator.`, {
      remedy: 'The file is damaged; export it again.',
    })
  const where = `[${proto.opType} ${proto.name || `-> ${proto.output?.[0] ?? '?'}`}]`
  return {
    name: proto.name ?? '',
    opType: proto.opType,
    domain: toDomain(proto.domain),
    inputs: proto.input ?? [],
    outputs: proto.output ?? [],
    attributes: toAttributes(proto.attribute ?? [], where, context),
    ...(proto.overload ? { overload: proto.overload } : {}),
  }
}

function toAttributes(list: readonly Uint8Array[], where: string, context: Context): Map<string, Attribute> {
  const attributes = new Map<string, Attribute>()
  for (const bytes of list) {
    const proto = decode('AttributeProto', bytes, context.budget)
    const name = proto.name ?? ''
    if (attributes.has(name))
      throw new GraftError(`${where} has the attribute "${name}" twice.`, {
        remedy: 'The file is damaged; export it again.',
      })
    attributes.set(name, toAttribute(proto, bytes, `${where} attribute "${name}"`, context))
  }
  return attributes
}

function toAttribute(proto: Message<'AttributeProto'>, bytes: Uint8Array, where: string, context: Context): Attribute {
  const opaque: Attribute = { kind: 'opaque', value: bytes }
  if (proto.refAttrName) return { kind: 'reference', name: proto.refAttrName, value: bytes }
  switch (proto.type || guessType(proto)) {
    case ATTRIBUTE_TYPES.float:
      return { kind: 'float', value: proto.f ?? 0 }
    case ATTRIBUTE_TYPES.int: {
      const value = toInt(proto.i ?? 0n)
      return value === undefined ? opaque : { kind: 'int', value }
    }
    case ATTRIBUTE_TYPES.string: {
      const value = toText(proto.s ?? new Uint8Array(0))
      return value === undefined ? opaque : { kind: 'string', value }
    }
    case ATTRIBUTE_TYPES.floats:
      return { kind: 'floats', value: Array.from(proto.floats ?? []) }
    case ATTRIBUTE_TYPES.ints: {
      const value = Array.from(proto.ints ?? [], toInt)
      return value.every((v) => v !== undefined) ? { kind: 'ints', value } : opaque
    }
    case ATTRIBUTE_TYPES.strings: {
      const value = (proto.strings ?? []).map(toText)
      return value.every((v) => v !== undefined) ? { kind: 'strings', value } : opaque
    }
    case ATTRIBUTE_TYPES.tensor:
      if (!proto.t)
        throw new GraftError(`${where} holds no tensor.`, { remedy: 'The file is damaged; export it again.' })
      return { kind: 'tensor', value: readTensor(proto.t, where, context.externalData) }
    case ATTRIBUTE_TYPES.graph:
      if (!proto.g)
        throw new GraftError(`${where} holds no graph.`, { remedy: 'The file is damaged; export it again.' })
      if (context.depth >= DEPTH_LIMIT)
        throw new GraftError(`${where}: sub-graphs are nested more than ${DEPTH_LIMIT} deep.`)
      return { kind: 'graph', value: toGraph(proto.g, { ...context, depth: context.depth + 1 }) }
    case ATTRIBUTE_GRAPHS:
      throw new GraftError(`${where} is a list of graphs, which no standard operator has.`, {
        remedy: 'Export the model with standard operators.',
      })
    default:
      return opaque
  }
}

/** Files before IR 2 leave the type out; the field that is present tells it. */
function guessType(proto: Message<'AttributeProto'>): number {
  if (proto.f !== undefined) return ATTRIBUTE_TYPES.float
  if (proto.i !== undefined) return ATTRIBUTE_TYPES.int
  if (proto.s !== undefined) return ATTRIBUTE_TYPES.string
  if (proto.t !== undefined) return ATTRIBUTE_TYPES.tensor
  if (proto.g !== undefined) return ATTRIBUTE_TYPES.graph
  if (proto.floats !== undefined) return ATTRIBUTE_TYPES.floats
  if (proto.ints !== undefined) return ATTRIBUTE_TYPES.ints
  if (proto.strings !== undefined) return ATTRIBUTE_TYPES.strings
  return 0
}

const INT64_MAX = 2n ** 63n - 1n

/** A number that the writer turns back into the same integer; undefined where there is none. */
function toInt(value: bigint): number | undefined {
  // "To the end" in Slice; as a number it is 2^63, which the writer clamps back.
  if (value === INT64_MAX) return 2 ** 63
  return BigInt(Number(value)) === value ? Number(value) : undefined
}

function toText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function toFunction(proto: Message<'FunctionProto'>, context: Context): ModelFunction {
  const where = `Function "${proto.name ?? ''}"`
  return {
    domain: toDomain(proto.domain),
    name: proto.name ?? '',
    overload: proto.overload ?? '',
    inputs: proto.input ?? [],
    outputs: proto.output ?? [],
    attributes: proto.attribute ?? [],
    attributeDefaults: toAttributes(proto.attributeProto ?? [], where, context),
    nodes: (proto.node ?? []).map((node) => toNode(node, { ...context, depth: context.depth + 1 })),
    opsets: toOpsets(proto.opsetImport ?? []),
  }
}

/** What people hand over instead of an ONNX file. */
function otherFormat(bytes: Uint8Array): { found: string; remedy: string } | undefined {
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 64))
  if (bytes.length === 0) return { found: 'the file is empty', remedy: 'Download or export it again.' }
  if (start.startsWith('version https://git-lfs'))
    return { found: 'it is a Git LFS pointer', remedy: 'Run `git lfs pull`, or download the file itself.' }
  if (/^\s*<(!doctype|html|\?xml)/i.test(start))
    return { found: 'it is a web page', remedy: 'The download failed; download the file itself.' }
  if (start.startsWith('PK'))
    return {
      found: 'it is a zip archive, perhaps a PyTorch checkpoint',
      remedy: 'Export the network with torch.onnx.export.',
    }
  if (start.startsWith('\x80'))
    return {
      found: 'it is a Python pickle, perhaps a PyTorch checkpoint',
      remedy: 'Export the network with torch.onnx.export.',
    }
  if (start.slice(4, 8) === 'ORTM')
    return { found: "it is in onnxruntime's own ORT format", remedy: 'Use the .onnx file it was made from.' }
  if (start.slice(4, 8) === 'TFL3')
    return { found: 'it is a TensorFlow Lite model', remedy: 'Convert it with tf2onnx.' }
  if (start.slice(8, 10) === '{"')
    return {
      found: 'it looks like a safetensors file',
      remedy: 'Export the network itself to ONNX; safetensors hold weights only.',
    }
  return undefined
}
