/** Element types and constant tensors, as ONNX defines them (onnx.proto, TensorProto.DataType). */
import { decodingTable, isPacked, unpack } from './formats.js'

/** ONNX element types by name, with their numbers in TensorProto.DataType. */
export const ELEMENT_TYPES = {
  /** Only for inputs and outputs of sub-graphs (If, Loop, Scan), which need not say their type. */
  undefined: 0,
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  complex128: 15,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e4m3fnuz: 18,
  float8e5m2: 19,
  float8e5m2fnuz: 20,
  uint4: 21,
  int4: 22,
  float4e2m1: 23,
  float8e8m0: 24,
  uint2: 25,
  int2: 26,
} as const

export type ElementType = keyof typeof ELEMENT_TYPES

const NAMES = new Map<number, ElementType>(
  Object.entries(ELEMENT_TYPES).map(([name, code]) => [code, name as ElementType]),
)

/** The element type of a TensorProto.DataType number; undefined for an unknown one. */
export function elementTypeOf(code: number): ElementType | undefined {
  return NAMES.get(code)
}

export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array

/**
 * A constant tensor. Types without a JavaScript array of their own are held as bits: float16, bfloat16 in Uint16Array,
 * bool and float8 in Uint8Array, packed types of 4 and 2 bits in Uint8Array (two or four elements a byte).
 *
 * `data` may be read from a file each time it is asked for: take it once and keep it while it is used.
 */
export interface Tensor {
  readonly type: ElementType
  readonly dims: readonly number[]
  readonly data: TensorData
  /** The elements of a string tensor, whose data is empty. */
  readonly strings?: readonly string[]
}

/** Number of elements of a static shape. */
export function sizeOf(dims: readonly number[]): number {
  let size = 1
  for (const d of dims) size *= d
  return size
}

export function float32(dims: readonly number[], data: Float32Array | readonly number[]): Tensor {
  return { type: 'float32', dims, data: data instanceof Float32Array ? data : Float32Array.from(data) }
}

export function int64(dims: readonly number[], values: readonly number[]): Tensor {
  return { type: 'int64', dims, data: BigInt64Array.from(values, toInt64) }
}

/**
 * The nearest int64, without the fraction; the smallest for NaN, as processors convert it. The largest, "to the end" in Slice, is no number of JavaScript: 2^63 stands for it, which
 * BigInt64Array would turn into the smallest.
 */
export function toInt64(value: number): bigint {
  if (value >= 2 ** 63) return 2n ** 63n - 1n
  if (!(value > -(2 ** 63))) return -(2n ** 63n)
  return BigInt(Math.trunc(value))
}

/** A scalar or 1-d integer tensor from numbers. */
export function int64Vector(values: readonly number[]): Tensor {
  return int64([values.length], values)
}

export function scalar(value: number): Tensor {
  return float32([], [value])
}

/** The elements as numbers (int64 beyond 2^53 lose precision; narrow floats are decoded, packed integers unpacked). */
export function toNumbers(tensor: Tensor): number[] {
  const { type, data } = tensor
  const table = decodingTable(type)
  if (table) return Array.from(data as Uint16Array, (bits) => table[bits] as number)
  if (isPacked(type)) return Array.from(unpack(type, data as Uint8Array, sizeOf(tensor.dims)))
  const out = new Array<number>(data.length)
  for (let i = 0; i < out.length; i++) out[i] = Number(data[i])
  return out
}

/**
 * A tensor whose data are made when they are asked for, kept while somebody holds them, and made again after that: how a
 * model larger than the memory is held.
 */
export function lazyTensor(type: ElementType, dims: readonly number[], make: () => TensorData): Tensor {
  let kept: WeakRef<TensorData> | undefined
  return {
    type,
    dims,
    get data() {
      const known = kept?.deref()
      if (known) return known
      const data = make()
      kept = new WeakRef(data)
      return data
    },
  }
}

/** Smallest and largest number of the integer types that are quantised to. */
export const RANGES: Partial<Record<ElementType, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  uint4: [0, 15],
  int4: [-8, 7],
  uint2: [0, 3],
  int2: [-2, 1],
}

type Stored = Exclude<ElementType, 'string' | 'undefined'>

type ArrayType = new (buffer: ArrayBufferLike, offset: number, length: number) => TensorData

/** The array that holds a type, the bytes of one of its items, and how many items one element takes, as ONNX stores it. */
export const STORAGE: Readonly<
  Record<Stored, { readonly array: ArrayType; readonly bytes: number; readonly perElement: number }>
> = {
  float32: { array: Float32Array, bytes: 4, perElement: 1 },
  float64: { array: Float64Array, bytes: 8, perElement: 1 },
  float16: { array: Uint16Array, bytes: 2, perElement: 1 },
  bfloat16: { array: Uint16Array, bytes: 2, perElement: 1 },
  uint8: { array: Uint8Array, bytes: 1, perElement: 1 },
  int8: { array: Int8Array, bytes: 1, perElement: 1 },
  uint16: { array: Uint16Array, bytes: 2, perElement: 1 },
  int16: { array: Int16Array, bytes: 2, perElement: 1 },
  uint32: { array: Uint32Array, bytes: 4, perElement: 1 },
  int32: { array: Int32Array, bytes: 4, perElement: 1 },
  uint64: { array: BigUint64Array, bytes: 8, perElement: 1 },
  int64: { array: BigInt64Array, bytes: 8, perElement: 1 },
  bool: { array: Uint8Array, bytes: 1, perElement: 1 },
  complex64: { array: Float32Array, bytes: 4, perElement: 2 },
  complex128: { array: Float64Array, bytes: 8, perElement: 2 },
  float8e4m3fn: { array: Uint8Array, bytes: 1, perElement: 1 },
  float8e4m3fnuz: { array: Uint8Array, bytes: 1, perElement: 1 },
  float8e5m2: { array: Uint8Array, bytes: 1, perElement: 1 },
  float8e5m2fnuz: { array: Uint8Array, bytes: 1, perElement: 1 },
  float8e8m0: { array: Uint8Array, bytes: 1, perElement: 1 },
  uint4: { array: Uint8Array, bytes: 1, perElement: 0.5 },
  int4: { array: Uint8Array, bytes: 1, perElement: 0.5 },
  float4e2m1: { array: Uint8Array, bytes: 1, perElement: 0.5 },
  uint2: { array: Uint8Array, bytes: 1, perElement: 0.25 },
  int2: { array: Uint8Array, bytes: 1, perElement: 0.25 },
}

/** Bytes of a tensor's data, without reading them; of text, none. */
export function byteSize({ type, dims }: Pick<Tensor, 'type' | 'dims'>): number {
  if (type === 'string' || type === 'undefined') return 0
  const { bytes, perElement } = STORAGE[type]
  return Math.ceil(sizeOf(dims) * perElement) * bytes
}
