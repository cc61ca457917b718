/** Every bit pattern of the narrow number formats against their definitions, written out another way. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toFloat32 } from '#graft/graph/convert.js'
import { byteSize, type ElementType, lazyTensor, type Tensor, toNumbers } from '#graft/graph/tensor.js'

/**
 * The values from zero up, as the standards describe them: first the multiples of the smallest step, then octave after
 * octave of evenly spaced numbers, the spacing doubling each time.
 */
function ascending(smallest: number, perOctave: number, count: number): number[] {
  const values: number[] = []
  let step = smallest
  let value = 0
  for (let i = 0; i < count; i++) {
    values.push(value)
    value += step
    if (value === 2 * perOctave * step) step *= 2
  }
  return values
}

interface Format {
  readonly type: ElementType
  readonly bits: 8 | 16
  /** 2^-n, the smallest number above zero. */
  readonly smallest: number
  readonly perOctave: number
  /** Finite numbers from zero up. */
  readonly finite: number
  /** What follows them. */
  readonly tail: readonly number[]
  /** Of the pattern with only the sign set. */
  readonly minusZero: number
}

const NaNs = (n: number): number[] => new Array<number>(n).fill(Number.NaN)
const { POSITIVE_INFINITY } = Number

// OCP 8-bit floating point (E4M3, E5M2), Noune et al. 2022 (the fnuz types), IEEE 754 binary16, bfloat16.
const FORMATS: readonly Format[] = [
  { type: 'float8e4m3fn', bits: 8, smallest: 2 ** -9, perOctave: 8, finite: 127, tail: NaNs(1), minusZero: -0 },
  { type: 'float8e4m3fnuz', bits: 8, smallest: 2 ** -10, perOctave: 8, finite: 128, tail: [], minusZero: Number.NaN },
  {
    type: 'float8e5m2',
    bits: 8,
    smallest: 2 ** -16,
    perOctave: 4,
    finite: 124,
    tail: [POSITIVE_INFINITY, ...NaNs(3)],
    minusZero: -0,
  },
  { type: 'float8e5m2fnuz', bits: 8, smallest: 2 ** -17, perOctave: 4, finite: 128, tail: [], minusZero: Number.NaN },
  {
    type: 'float16',
    bits: 16,
    smallest: 2 ** -24,
    perOctave: 1024,
    finite: 31 * 1024,
    tail: [POSITIVE_INFINITY, ...NaNs(1023)],
    minusZero: -0,
  },
  {
    type: 'bfloat16',
    bits: 16,
    smallest: 2 ** -133,
    perOctave: 128,
    finite: 255 * 128,
    tail: [POSITIVE_INFINITY, ...NaNs(127)],
    minusZero: -0,
  },
]

const LARGEST: Partial<Record<ElementType, number>> = {
  float8e4m3fn: 448,
  float8e4m3fnuz: 240,
  float8e5m2: 57344,
  float8e5m2fnuz: 57344,
  float16: 65504,
}

for (const { type, bits, smallest, perOctave, finite, tail, minusZero } of FORMATS)
  test(`all ${2 ** bits} patterns of ${type}`, () => {
    const patterns = { length: 2 ** bits }
    const data = bits === 8 ? Uint8Array.from(patterns, (_, i) => i) : Uint16Array.from(patterns, (_, i) => i)
    const positive = [...ascending(smallest, perOctave, finite), ...tail]
    assert.equal(positive.length, 2 ** (bits - 1))
    assert.equal(positive[finite - 1], LARGEST[type] ?? positive[finite - 1])
    const expected = [...positive, minusZero, ...positive.slice(1).map((v) => -v)]
    const tensor: Tensor = { type, dims: [data.length], data }
    assert.deepEqual(Array.from(toFloat32(tensor).data as Float32Array), expected)
    assert.deepEqual(toNumbers(tensor), expected)
  })

test('all 256 patterns of float8e8m0', () => {
  const tensor: Tensor = { type: 'float8e8m0', dims: [256], data: Uint8Array.from({ length: 256 }, (_, i) => i) }
  const found = toFloat32(tensor).data as Float32Array
  assert.equal(found[127], 1)
  for (let i = 1; i < 255; i++) assert.equal(found[i], (found[i - 1] as number) * 2)
  assert.equal(found[0], 2 ** -127)
  assert.ok(Number.isNaN(found[255]))
})

test('double is rounded to the nearest float32', () => {
  const values = Float64Array.of(0.1, 1 + 2 ** -24, 1 + 2 ** -23, 1e300, -0, Number.NaN)
  const found = toFloat32({ type: 'float64', dims: [6], data: values }).data
  assert.deepEqual(found, Float32Array.from(values))
  assert.equal(found[1], 1)
})

test('packed integers: the first element is in the lowest bits, all patterns', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
  const at = (type: ElementType, n: number) => toNumbers({ type, dims: [n], data: bytes })
  const low = (bits: number, signed: boolean) =>
    Array.from(bytes).flatMap((byte) =>
      Array.from({ length: 8 / bits }, (_, place) => {
        const field = Number.parseInt(
          byte
            .toString(2)
            .padStart(8, '0')
            .slice(8 - bits * (place + 1), 8 - bits * place),
          2,
        )
        return signed && field >= 2 ** (bits - 1) ? field - 2 ** bits : field
      }),
    )
  assert.deepEqual(at('uint4', 512), low(4, false))
  assert.deepEqual(at('int4', 512), low(4, true))
  assert.deepEqual(at('uint2', 1024), low(2, false))
  assert.deepEqual(at('int2', 1024), low(2, true))
  assert.deepEqual(at('int4', 3), [0, 0, 1])
  assert.equal(byteSize({ type: 'int4', dims: [3] }), 2)
  assert.equal(byteSize({ type: 'uint2', dims: [5] }), 2)
})

test('float4 and integers are not read as float32, with the reason', () => {
  assert.throws(() => toFloat32({ type: 'float4e2m1', dims: [2], data: new Uint8Array(1) }), /is float4, which/)
  assert.throws(() => toFloat32({ type: 'int8', dims: [1], data: new Int8Array(1) }), /type int8/)
})

test('a lazy tensor is made when asked for, and once while it is held', () => {
  let made = 0
  const tensor = lazyTensor('float32', [2], () => {
    made++
    return Float32Array.of(1, 2)
  })
  assert.equal(made, 0)
  const { data } = tensor
  assert.equal(tensor.data, data)
  assert.equal(made, 1)
})
