/** Element types and constant tensors, as ONNX defines them (onnx.proto, TensorProto.DataType). */

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
 * bool and float8 in Uint8Array, packed 4-bit types in Uint8Array (two elements a byte).
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
  return { type: 'int64', dims, data: BigInt64Array.from(values, (v) => BigInt(v)) }
}

/** A scalar or 1-d integer tensor from numbers. */
export function int64Vector(values: readonly number[]): Tensor {
  return int64([values.length], values)
}

export function scalar(value: number): Tensor {
  return float32([], [value])
}

/** The elements as numbers (int64 beyond 2^53 lose precision; float16 and bfloat16 are decoded). */
export function toNumbers(tensor: Tensor): number[] {
  if (tensor.type === 'float16') return Array.from(tensor.data as Uint16Array, halfToNumber)
  if (tensor.type === 'bfloat16') return Array.from(tensor.data as Uint16Array, bfloatToNumber)
  const out = new Array<number>(tensor.data.length)
  for (let i = 0; i < out.length; i++) out[i] = Number(tensor.data[i])
  return out
}

/** IEEE 754 binary16 bits to a number. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** bfloat16 bits to a number. */
export function bfloatToNumber(bits: number): number {
  scratchBits[0] = bits << 16
  return scratchFloat[0]!
}

const scratchBits = new Uint32Array(1)
const scratchFloat = new Float32Array(scratchBits.buffer)
