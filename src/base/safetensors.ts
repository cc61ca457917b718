/**
 * The safetensors format (Hugging Face): an 8-byte little-endian header length, a JSON header naming every tensor with its
 * type, shape and place, then the data. Graft's checkpoints are such files, so that other programs can read them.
 */
import { GraftError, messageOf } from './errors.js'

/** A tensor of one of the types that training state uses. */
export interface StoredTensor {
  readonly type: 'float32' | 'int64' | 'int32' | 'bool' | 'uint8'
  readonly dims: readonly number[]
  readonly data: Float32Array | BigInt64Array | Int32Array | Uint8Array
}

export interface SafetensorsFile {
  readonly tensors: Readonly<Record<string, StoredTensor>>
  readonly metadata: Readonly<Record<string, string>>
}

const TYPES = {
  float32: { code: 'F32', bytes: 4, make: (b: ArrayBuffer) => new Float32Array(b) },
  int64: { code: 'I64', bytes: 8, make: (b: ArrayBuffer) => new BigInt64Array(b) },
  int32: { code: 'I32', bytes: 4, make: (b: ArrayBuffer) => new Int32Array(b) },
  bool: { code: 'BOOL', bytes: 1, make: (b: ArrayBuffer) => new Uint8Array(b) },
  uint8: { code: 'U8', bytes: 1, make: (b: ArrayBuffer) => new Uint8Array(b) },
} as const

const NAMES = Object.freeze({ F32: 'float32', I64: 'int64', I32: 'int32', BOOL: 'bool', U8: 'uint8' } as const)
const LONGEST_HEADER = 100_000_000

/** The file's bytes. Tensors lie in the order of their names by code unit, so that equal content gives equal bytes. */
export function encodeSafetensors(file: SafetensorsFile): Uint8Array {
  const names = Object.keys(file.tensors).sort()
  const header: Record<string, unknown> = {}
  if (Object.keys(file.metadata).length > 0) header.__metadata__ = file.metadata
  let end = 0
  for (const name of names) {
    const { type, dims, data } = file.tensors[name]!
    const expected = elements(dims) * TYPES[type].bytes
    if (data.byteLength !== expected || name === '__metadata__')
      throw new RangeError(
        `tensor "${name}", ${type} [${dims.join(', ')}], holds ${data.byteLength} bytes, not ${expected}`,
      )
    header[name] = { dtype: TYPES[type].code, shape: dims, data_offsets: [end, end + expected] }
    end += expected
  }
  const text = new TextEncoder().encode(JSON.stringify(header))
  const length = Math.ceil(text.length / 8) * 8
  const bytes = new Uint8Array(8 + length + end)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true)
  bytes.fill(0x20, 8, 8 + length)
  bytes.set(text, 8)
  let at = 8 + length
  for (const name of names) {
    const { data } = file.tensors[name]!
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at)
    at += data.byteLength
  }
  return bytes
}

/** @throws GraftError where the bytes are not a whole safetensors file, or hold a type that is not a {@link StoredTensor}'s. */
export function decodeSafetensors(bytes: Uint8Array, name = 'safetensors file'): SafetensorsFile {
  const refuse = (reason: string, cause?: unknown): never => {
    throw new GraftError(`${name}: ${reason}`, {
      remedy: 'The file is damaged or was cut short; use another copy.',
      ...(cause === undefined ? {} : { cause }),
    })
  }
  if (bytes.length < 8) refuse(`${bytes.length} bytes are too few for a safetensors file`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = Number(view.getBigUint64(0, true))
  if (length > LONGEST_HEADER || 8 + length > bytes.length)
    refuse(`its header of ${length} bytes does not fit in a file of ${bytes.length}`)
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)))
  } catch (error) {
    refuse(`its header is not JSON (${messageOf(error)})`, error)
  }
  if (!isRecord(header)) return refuse('its header is not an object')
  const start = 8 + length
  const tensors: Record<string, StoredTensor> = Object.create(null) as Record<string, StoredTensor>
  let metadata: Record<string, string> = {}
  for (const [key, entry] of Object.entries(header)) {
    if (!isRecord(entry)) return refuse(`"${key}" is not an object`)
    if (key === '__metadata__') {
      metadata = Object.fromEntries(Object.entries(entry).map(([k, v]) => [k, String(v)]))
      continue
    }
    const { dtype, shape, data_offsets: offsets } = entry
    if (typeof dtype !== 'string' || !Object.hasOwn(NAMES, dtype))
      return refuse(`tensor "${key}" is of type ${String(dtype)}; expected one of ${Object.keys(NAMES).join(', ')}`)
    const type = NAMES[dtype as keyof typeof NAMES]
    if (!isSizes(shape) || !isSizes(offsets) || offsets.length !== 2)
      return refuse(`tensor "${key}" has no shape or place`)
    const from = offsets[0]!
    const to = offsets[1]!
    if (to - from !== elements(shape) * TYPES[type].bytes || start + to > bytes.length)
      return refuse(`tensor "${key}" of shape [${shape.join(', ')}] does not lie at ${from} to ${to}`)
    // Copied, because a typed array must be aligned and the caller may drop the file's bytes.
    const copy = new Uint8Array(to - from)
    copy.set(bytes.subarray(start + from, start + to))
    tensors[key] = { type, dims: shape, data: TYPES[type].make(copy.buffer) }
  }
  return { tensors, metadata }
}

function elements(dims: readonly number[]): number {
  return dims.reduce((product, d) => product * d, 1)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((d) => Number.isSafeInteger(d) && (d as number) >= 0)
}
