/**
 * Number formats that JavaScript has no array for, from bits to numbers. All conversions are exact: every value of these
 * formats is a float32.
 */
import type { ElementType } from './tensor.js'

/** A binary floating-point format of 8 bits or fewer: sign, exponent, fraction. */
interface SmallFloat {
  readonly exponentBits: number
  readonly fractionBits: number
  readonly bias: number
  /**
   * ieee: infinities and NaN in the last exponent. fn: only the very last pattern is NaN, no infinities. fnuz: likewise
   * none, NaN is what would be minus zero.
   */
  readonly special: 'ieee' | 'fn' | 'fnuz'
}

const SMALL: Partial<Record<ElementType, SmallFloat>> = {
  float8e4m3fn: { exponentBits: 4, fractionBits: 3, bias: 7, special: 'fn' },
  float8e4m3fnuz: { exponentBits: 4, fractionBits: 3, bias: 8, special: 'fnuz' },
  float8e5m2: { exponentBits: 5, fractionBits: 2, bias: 15, special: 'ieee' },
  float8e5m2fnuz: { exponentBits: 5, fractionBits: 2, bias: 16, special: 'fnuz' },
}

const HALF: SmallFloat = { exponentBits: 5, fractionBits: 10, bias: 15, special: 'ieee' }

function decode(bits: number, { exponentBits, fractionBits, bias, special }: SmallFloat): number {
  const fractions = 1 << fractionBits
  const last = (1 << exponentBits) - 1
  const fraction = bits & (fractions - 1)
  const exponent = (bits >> fractionBits) & last
  const negative = bits >> (fractionBits + exponentBits) === 1
  const sign = negative ? -1 : 1
  if (special === 'fnuz' && negative && exponent === 0 && fraction === 0) return Number.NaN
  if (special === 'fn' && exponent === last && fraction === fractions - 1) return Number.NaN
  if (special === 'ieee' && exponent === last) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return exponent === 0
    ? sign * fraction * 2 ** (1 - bias - fractionBits)
    : sign * (fractions + fraction) * 2 ** (exponent - bias - fractionBits)
}

/** IEEE 754 binary16 bits to a number. */
export function halfToNumber(bits: number): number {
  return decode(bits, HALF)
}

/** bfloat16 bits to a number: the upper half of a float32. */
export function bfloatToNumber(bits: number): number {
  scratchBits[0] = bits << 16
  return scratchFloat[0]!
}

const scratchBits = new Uint32Array(1)
const scratchFloat = new Float32Array(scratchBits.buffer)

/** Made at first use: decoding millions of weights one by one costs seconds. */
const tables = new Map<ElementType, Float32Array>()

/** The values of all bit patterns of a type of 8 or 16 bits; undefined for other types. */
export function decodingTable(type: ElementType): Float32Array | undefined {
  const known = tables.get(type)
  if (known) return known
  const made = makeTable(type)
  if (made) tables.set(type, made)
  return made
}

function makeTable(type: ElementType): Float32Array | undefined {
  if (type === 'float16') return Float32Array.from({ length: 65536 }, (_, bits) => halfToNumber(bits))
  if (type === 'bfloat16') return Float32Array.from({ length: 65536 }, (_, bits) => bfloatToNumber(bits))
  // Only an exponent: powers of two from 2^-127 on, the last pattern NaN.
  if (type === 'float8e8m0')
    return Float32Array.from({ length: 256 }, (_, bits) => (bits === 255 ? Number.NaN : 2 ** (bits - 127)))
  const format = SMALL[type]
  return format && Float32Array.from({ length: 256 }, (_, bits) => decode(bits, format))
}

/** Bits an element takes where several share a byte, and whether they are signed. */
const PACKED: Partial<Record<ElementType, { readonly bits: number; readonly signed: boolean }>> = {
  uint4: { bits: 4, signed: false },
  int4: { bits: 4, signed: true },
  uint2: { bits: 2, signed: false },
  int2: { bits: 2, signed: true },
}

export const isPacked = (type: ElementType): boolean => PACKED[type] !== undefined

/** The elements of a packed type, one a place, the first in the lowest bits of its byte. */
export function unpack(type: ElementType, bytes: Uint8Array, count: number): Int8Array | Uint8Array {
  const { bits, signed } = PACKED[type] as { bits: number; signed: boolean }
  const perByte = 8 / bits
  const mask = (1 << bits) - 1
  const out = signed ? new Int8Array(count) : new Uint8Array(count)
  const shift = 32 - bits
  for (let i = 0; i < count; i++) {
    const field = ((bytes[Math.floor(i / perByte)] as number) >> ((i % perByte) * bits)) & mask
    out[i] = signed ? (field << shift) >> shift : field
  }
  return out
}

/**
 * The nearest IEEE 754 binary16 bits to a float32, ties to even; what is beyond 65,504 becomes infinite.
 */
export function numberToHalf(value: number): number {
  scratchFloat[0] = value
  const bits = scratchBits[0] as number
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00)
  if (magnitude < 0x38800000) {
    // Below 2^-14 the halves are multiples of 2^-24, onto which adding 1/2 rounds: there float32 counts in them too.
    scratchBits[0] = magnitude
    scratchFloat[0] = (scratchFloat[0] as number) + 0.5
    return sign | ((scratchBits[0] as number) - 0x3f000000)
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1)
  return rounded >= 0x47800000 ? sign | 0x7c00 : sign | ((rounded - 0x38000000) >>> 13)
}
