/**
 * TensorProto to Tensor and back. Raw data is viewed in place where it is aligned and copied once where it is not, so a
 * model's weights stay in the file's own buffer. Element order is the host's, little-endian as ONNX requires.
 */
import { GraftError, InternalError } from '../base/errors.js'
import {
  byteSize,
  ELEMENT_TYPES,
  type ElementType,
  elementTypeOf,
  lazyTensor,
  STORAGE,
  type Tensor,
  type TensorData,
} from '../graph/tensor.js'
import type { Message } from './schema.js'

/** A file beside the model that holds tensors. */
export interface ExternalFile {
  /** In bytes. */
  readonly size: number
  /** `length` bytes from `offset`, both within the file. */
  read(offset: number, length: number): Uint8Array
}

/**
 * Finds a file beside the model. The location is relative, with `/` or `\`, and does not lead out of the folder by its
 * text; that it does not by a link is for the function to see to.
 */
export type ExternalData = (location: string) => ExternalFile

type Stored = Exclude<ElementType, 'string' | 'undefined'>

type ArrayType = (typeof STORAGE)[Stored]['array']

/** TensorProto.DataLocation.EXTERNAL. */
const EXTERNAL = 1

/** No real tensor has more elements; products beyond it come from damaged files. */
const ELEMENT_LIMIT = 2 ** 40

const DAMAGED = 'The file is damaged; download or export it again.'

export function readTensor(proto: Message<'TensorProto'>, where: string, externalData?: ExternalData): Tensor {
  const fail = (problem: string, remedy = DAMAGED): never => {
    throw new GraftError(`${where}: ${problem}.`, { remedy })
  }
  const type = elementTypeOf(proto.dataType ?? 0)
  if (type === undefined || type === 'undefined')
    return fail(
      `element type ${proto.dataType ?? 0} is not one that Graft knows`,
      `Known types: ${Object.keys(ELEMENT_TYPES).slice(1).join(', ')}.`,
    )
  const dims = Array.from(proto.dims ?? [], Number)
  let size = 1
  for (const d of dims) {
    if (!(d >= 0)) fail(`the shape [${dims}] has a negative dimension`)
    size *= d
    // A zero later on must not hide an absurd product before it.
    if (d > ELEMENT_LIMIT || size > ELEMENT_LIMIT) fail(`the shape [${dims}] is larger than any tensor`)
  }
  if (proto.segment !== undefined)
    fail('is stored in segments', 'Save the model again with the onnx package; segments are obsolete.')
  if (type === 'string') return readStrings(proto, dims, size, fail)
  const { array, bytes, perElement } = STORAGE[type]
  const count = Math.ceil(size * perElement)
  if (proto.dataLocation === EXTERNAL) {
    const read = externalReader(proto, count * bytes, externalData, fail)
    return lazyTensor(type, dims, () => viewed(array, bytes, read(), count))
  }
  if (proto.rawData !== undefined && (proto.rawData.length > 0 || count === 0)) {
    if (proto.rawData.length !== count * bytes)
      fail(`shape [${dims}] of ${type} needs ${count * bytes} bytes, the file holds ${proto.rawData.length}`)
    return { type, dims, data: viewed(array, bytes, proto.rawData, count) }
  }
  const data = typedData(proto, type, count)
  if (data.length !== count) fail(`shape [${dims}] of ${type} needs ${count} values, the file holds ${data.length}`)
  return { type, dims, data }
}

type Fail = (problem: string, remedy?: string) => never

function viewed(array: ArrayType, bytes: number, raw: Uint8Array, count: number): TensorData {
  const aligned = raw.byteOffset % bytes === 0 ? raw : new Uint8Array(raw)
  return new array(aligned.buffer, aligned.byteOffset, count)
}

/** The elements from the typed fields, where narrow types travel as int32 and complex numbers as pairs. */
function typedData(proto: Message<'TensorProto'>, type: Stored, count: number): TensorData {
  switch (type) {
    case 'float32':
    case 'complex64':
      return proto.floatData ?? new Float32Array(0)
    case 'float64':
    case 'complex128':
      return proto.doubleData ?? new Float64Array(0)
    case 'int64':
      return proto.int64Data ?? new BigInt64Array(0)
    case 'uint64':
      return proto.uint64Data ?? new BigUint64Array(0)
    case 'int32':
      return proto.int32Data ?? new Int32Array(0)
    case 'uint32':
      return Uint32Array.from(proto.uint64Data ?? [], Number)
    default: {
      const source = proto.int32Data ?? new Int32Array(0)
      if (source.length !== count) return source
      const { array, bytes } = STORAGE[type]
      const out = new array(new ArrayBuffer(count * bytes), 0, count) as Uint8Array
      out.set(source)
      return out
    }
  }
}

function readStrings(proto: Message<'TensorProto'>, dims: readonly number[], size: number, fail: Fail): Tensor {
  const found = proto.stringData ?? []
  if (found.length !== size) fail(`shape [${dims}] of string needs ${size} values, the file holds ${found.length}`)
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    return { type: 'string', dims, data: new Uint8Array(0), strings: found.map((bytes) => decoder.decode(bytes)) }
  } catch {
    return fail('holds text that is not UTF-8')
  }
}

/** Checks where a tensor's bytes lie without reading them. */
function externalReader(
  proto: Message<'TensorProto'>,
  expected: number,
  externalData: ExternalData | undefined,
  fail: Fail,
): () => Uint8Array {
  const entries = new Map((proto.externalData ?? []).map((e) => [e.key ?? '', e.value ?? '']))
  const location = entries.get('location') ?? ''
  if (escapes(location))
    fail(
      `its data is said to lie in "${location}", outside the model's folder`,
      'Graft reads only files beside the model. Do not use a model file whose origin you do not trust.',
    )
  const offset = wholeNumber(entries.get('offset') ?? '0')
  const length = wholeNumber(entries.get('length') ?? String(expected))
  if (offset === undefined || length !== expected)
    return fail(
      `its data in "${location}" has offset ${entries.get('offset') ?? 0} and length ${entries.get('length') ?? expected}; its shape needs ${expected} bytes`,
    )
  if (!externalData)
    return fail(
      `its data lies in a second file, "${location}", which was not given`,
      'Save the model as one file: onnx.save_model(onnx.load(path), path, save_as_external_data=False).',
    )
  const file = externalData(location)
  if (offset + expected > file.size)
    fail(
      `its data is said to lie at ${offset} to ${offset + expected} in "${location}", which has ${file.size} bytes`,
      'The file beside the model is not the one that belongs to it, or was not copied as a whole; copy both again.',
    )
  return () => {
    const found = file.read(offset, expected)
    if (found.length !== expected)
      fail(`"${location}" gave ${found.length} bytes at ${offset}; ${expected} were expected`)
    return found
  }
}

/** A count of bytes as the file writes it; undefined for anything but decimal digits. */
function wholeNumber(text: string): number | undefined {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(value) ? value : undefined
}

/** Whether a location leaves the folder it is relative to, on any platform. */
function escapes(location: string): boolean {
  return (
    location === '' ||
    location.includes('\0') ||
    /^([a-zA-Z]:|[\\/])/.test(location) ||
    location.split(/[\\/]/).includes('..')
  )
}

/** Where a tensor's bytes are put: in a file beside the model. */
export interface Placement {
  readonly location: string
  readonly offset: number
  readonly length: number
}

/** Always raw data, the form that every reader takes and the only one that can be viewed in place; or a place beside it. */
export function writeTensor(tensor: Tensor, name: string, place?: Placement): Message<'TensorProto'> {
  const proto: Message<'TensorProto'> = {
    dims: BigInt64Array.from(tensor.dims, BigInt),
    dataType: ELEMENT_TYPES[tensor.type],
  }
  if (name !== '') proto.name = name
  if (tensor.type === 'string') {
    const encoder = new TextEncoder()
    proto.stringData = (tensor.strings ?? []).map((text) => encoder.encode(text))
  } else if (place) {
    proto.dataLocation = EXTERNAL
    proto.externalData = [
      { key: 'location', value: place.location },
      { key: 'offset', value: String(place.offset) },
      { key: 'length', value: String(place.length) },
    ]
  } else proto.rawData = bytesOf(tensor)
  return proto
}

/** The bytes of a tensor's data, in place. */
export function bytesOf(tensor: Tensor): Uint8Array {
  const { data } = tensor
  if (data.byteLength !== byteSize(tensor))
    throw new InternalError(`a tensor [${tensor.dims}] of ${tensor.type} holds ${data.byteLength} bytes`)
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}
