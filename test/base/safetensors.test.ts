import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from '#graft/base/safetensors.js'

const tensor: fc.Arbitrary<StoredTensor> = fc.oneof(
  fc.array(fc.float()).map((v): StoredTensor => ({ type: 'float32', dims: [v.length], data: Float32Array.from(v) })),
  fc
    .array(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n))
    .map((v): StoredTensor => ({ type: 'int64', dims: [1, v.length], data: BigInt64Array.from(v) })),
  fc.array(fc.integer()).map((v): StoredTensor => ({ type: 'int32', dims: [v.length, 1], data: Int32Array.from(v) })),
  fc.uint8Array().map((v): StoredTensor => ({ type: 'uint8', dims: [v.length], data: v })),
)
const names = fc
  .string({ unit: 'grapheme', minLength: 1 })
  .filter((name) => name !== '__metadata__' && name !== '__proto__')

test('what is written is read back, bit by bit, from any alignment', () => {
  fc.assert(
    fc.property(
      fc.dictionary(names, tensor),
      fc.dictionary(names, fc.string()),
      fc.nat(9),
      (tensors, metadata, shift) => {
        const bytes = encodeSafetensors({ tensors, metadata })
        const moved = new Uint8Array(bytes.length + shift)
        moved.set(bytes, shift)
        const found = decodeSafetensors(moved.subarray(shift))
        assert.deepEqual({ ...found.metadata }, { ...metadata })
        assert.deepEqual(Object.keys(found.tensors).sort(), Object.keys(tensors).sort())
        for (const [name, { type, dims, data }] of Object.entries(tensors)) {
          const other = found.tensors[name]!
          assert.deepEqual([other.type, other.dims], [type, dims])
          assert.deepEqual(bytesOf(other.data), bytesOf(data))
        }
      },
    ),
    { numRuns: 200 },
  )
})

function bytesOf(data: StoredTensor['data']): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
}

test('a Buffer is read without sharing its memory', () => {
  const bytes = Buffer.from(
    encodeSafetensors({ tensors: { a: { type: 'float32', dims: [2], data: Float32Array.of(1, 2) } }, metadata: {} }),
  )
  const { a } = decodeSafetensors(bytes).tensors
  bytes.fill(0)
  assert.deepEqual(a?.data, Float32Array.of(1, 2))
})

test('the layout is that of the format: length, JSON, data in order of the offsets', () => {
  const bytes = encodeSafetensors({
    tensors: { x: { type: 'float32', dims: [1, 2], data: Float32Array.of(1, -2) } },
    metadata: { k: 'v' },
  })
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
  assert.equal(length % 8, 0)
  assert.deepEqual(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))), {
    __metadata__: { k: 'v' },
    x: { dtype: 'F32', shape: [1, 2], data_offsets: [0, 8] },
  })
  assert.deepEqual(new Float32Array(bytes.slice(8 + length).buffer), Float32Array.of(1, -2))
})

test('damaged files are refused with what is wrong', () => {
  const good = encodeSafetensors({
    tensors: { x: { type: 'float32', dims: [2], data: Float32Array.of(1, 2) } },
    metadata: {},
  })
  for (let length = 0; length < good.length; length++)
    assert.throws(() => decodeSafetensors(good.subarray(0, length), 'f'), /^GraftError: f: /)
  const header = (text: string) => {
    const json = new TextEncoder().encode(text)
    const bytes = new Uint8Array(8 + json.length + 8)
    new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true)
    bytes.set(json, 8)
    return bytes
  }
  assert.throws(
    () => decodeSafetensors(header('{"x":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}')),
    /of type F64; expected one of F32/,
  )
  assert.throws(
    () => decodeSafetensors(header('{"x":{"dtype":"F32","shape":[9],"data_offsets":[0,8]}}')),
    /does not lie at 0 to 8/,
  )
  assert.throws(() => decodeSafetensors(header('[1]')), /not an object/)
})

test('a tensor whose data do not fit its shape is not written', () => {
  assert.throws(
    () => encodeSafetensors({ tensors: { x: { type: 'float32', dims: [3], data: Float32Array.of(1) } }, metadata: {} }),
    RangeError,
  )
})
