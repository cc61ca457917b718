import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GraftError } from '#graft/base/errors.js'
import { toFloat32 } from '#graft/graph/convert.js'
import { attr, type Graph, type Model } from '#graft/graph/graph.js'
import { ELEMENT_TYPES, float32, int64Vector, type Tensor } from '#graft/graph/tensor.js'
import { decode, defaultBudget, encode } from '#graft/onnx/codec.js'
import { readModel } from '#graft/onnx/reader.js'
import type { Message } from '#graft/onnx/schema.js'
import { writeModel } from '#graft/onnx/writer.js'
import { model, node, value, weights } from './build.js'

/** y = relu(x W + b), with an If that reads an outer value. */
function sample(): Model {
  const branch = (opType: string): Graph => ({
    ...model({}).graph,
    name: opType,
    nodes: [node(opType, ['h'], [`${opType}_out`])],
    outputs: [{ name: `${opType}_out`, type: 'undefined', shape: undefined }],
  })
  return model({
    inputs: [value('x', ['batch', 3])],
    outputs: [value('y', undefined)],
    initializers: new Map<string, Tensor>([
      ['W', weights([3, 4])],
      ['b', weights([4])],
      ['yes', { type: 'bool', dims: [], data: Uint8Array.of(1) }],
    ]),
    nodes: [
      node('Gemm', ['x', 'W', 'b'], ['h'], { alpha: attr.float(0.5), transB: attr.int(0) }),
      node('If', ['yes'], ['y'], {
        then_branch: { kind: 'graph', value: branch('Relu') },
        else_branch: { kind: 'graph', value: branch('Tanh') },
      }),
    ],
    valueInfo: new Map([['h', { type: 'float32', shape: ['batch', 4] }]]),
  })
}

const refused = (bytes: Uint8Array, pattern: RegExp) =>
  assert.throws(
    () => readModel(bytes, { name: 'm.onnx' }),
    (error) => {
      assert.ok(error instanceof GraftError, String(error))
      assert.match(error.message, pattern)
      return true
    },
  )

/** Changes the file's top message before it is written. */
function edited(
  edit: (proto: Message<'ModelProto'>, graph: Message<'GraphProto'>) => void,
  from = sample(),
): Uint8Array {
  const proto = decode('ModelProto', writeModel(from), defaultBudget())
  edit(proto, proto.graph ?? {})
  return encode('ModelProto', proto)
}

test('a model with sub-graphs survives writing and reading', () => {
  const before = sample()
  assert.deepEqual(readModel(writeModel(before)), before)
})

test('every kind of attribute and element type survives', () => {
  const bits = new Map<string, Tensor>()
  for (const type of Object.keys(ELEMENT_TYPES) as (keyof typeof ELEMENT_TYPES)[]) {
    if (type === 'undefined') continue
    const bytes = new Uint8Array(64).map((_, i) => (type === 'bool' ? i % 2 : i * 3))
    const data: Record<string, Tensor['data']> = {
      float32: new Float32Array(bytes.buffer, 0, 4),
      float64: new Float64Array(bytes.buffer, 0, 4),
      float16: new Uint16Array(bytes.buffer, 0, 4),
      bfloat16: new Uint16Array(bytes.buffer, 0, 4),
      int8: new Int8Array(bytes.buffer, 0, 4),
      int16: new Int16Array(bytes.buffer, 0, 4),
      uint16: new Uint16Array(bytes.buffer, 0, 4),
      int32: new Int32Array(bytes.buffer, 0, 4),
      uint32: new Uint32Array(bytes.buffer, 0, 4),
      int64: new BigInt64Array(bytes.buffer, 0, 4),
      uint64: new BigUint64Array(bytes.buffer, 0, 4),
      complex64: new Float32Array(bytes.buffer, 0, 8),
      complex128: new Float64Array(bytes.buffer, 0, 8),
      int4: new Uint8Array(bytes.buffer, 0, 2),
      uint4: new Uint8Array(bytes.buffer, 0, 2),
      float4e2m1: new Uint8Array(bytes.buffer, 0, 2),
      uint2: new Uint8Array(bytes.buffer, 0, 1),
      int2: new Uint8Array(bytes.buffer, 0, 1),
    }
    if (type === 'string') bits.set(type, { type, dims: [2], data: new Uint8Array(0), strings: ['a', 'ü😀'] })
    else bits.set(type, { type, dims: [2, 2], data: data[type] ?? new Uint8Array(bytes.buffer, 0, 4) })
  }
  const before = model({
    inputs: [value('x', [1])],
    outputs: [value('y', [1])],
    nodes: [
      node('Custom', ['x', '', 'float32'], ['y'], {
        i: attr.int(-3),
        end: attr.ints([2 ** 63, -(2 ** 63), 0]),
        f: attr.float(Math.fround(0.3)),
        nan: attr.floats([Number.NaN, Number.POSITIVE_INFINITY]),
        s: attr.string('héllo'),
        ss: { kind: 'strings', value: ['', 'b'] },
        t: attr.tensor(int64Vector([1, 2])),
        empty: attr.ints([]),
      }),
    ],
    initializers: bits,
  })
  const bytes = writeModel(before)
  assert.deepEqual(readModel(bytes), before)
  // The largest int64 is written as itself, not as 2^63.
  const attributes = decode('ModelProto', bytes, defaultBudget()).graph?.node?.[0]?.attribute ?? []
  const end = attributes.map((a) => decode('AttributeProto', a, defaultBudget())).find((a) => a.name === 'end')
  assert.equal(end?.ints?.[0], 2n ** 63n - 1n)
})

test('tensors in typed fields are read', () => {
  const bytes = edited((_, graph) => {
    graph.initializer = [
      {
        name: 'W',
        dataType: 1,
        dims: BigInt64Array.of(3n, 4n),
        floatData: Float32Array.from({ length: 12 }, (_, i) => i),
      },
      { name: 'b', dataType: 10, dims: BigInt64Array.of(4n), int32Data: Int32Array.of(0x3c00, 0xc000, 0, 0x3800) },
      { name: 'yes', dataType: 9, dims: new BigInt64Array(0), int32Data: Int32Array.of(1) },
      { name: 'd', dataType: 11, dims: BigInt64Array.of(2n), doubleData: Float64Array.of(0.1, 2) },
      { name: 'u', dataType: 12, dims: BigInt64Array.of(1n), uint64Data: BigUint64Array.of(4294967295n) },
      { name: 'i', dataType: 7, dims: BigInt64Array.of(1n), int64Data: BigInt64Array.of(-1n) },
      { name: 'n', dataType: 3, dims: BigInt64Array.of(2n), int32Data: Int32Array.of(-1, 127) },
    ]
  })
  const { initializers } = readModel(bytes).graph
  assert.deepEqual(
    Array.from(initializers.get('W')?.data as Float32Array),
    Array.from({ length: 12 }, (_, i) => i),
  )
  assert.deepEqual(toFloat32(initializers.get('b') as Tensor), float32([4], [1, -2, 0, 0.5]))
  assert.deepEqual(initializers.get('yes'), { type: 'bool', dims: [], data: Uint8Array.of(1) })
  assert.deepEqual(toFloat32(initializers.get('d') as Tensor), float32([2], [0.1, 2]))
  assert.deepEqual(initializers.get('u')?.data, Uint32Array.of(4294967295))
  assert.deepEqual(initializers.get('i')?.data, BigInt64Array.of(-1n))
  assert.deepEqual(initializers.get('n')?.data, Int8Array.of(-1, 127))
})

test('initializers listed as inputs (IR 3) are constants, and are written back as inputs', () => {
  const old = { ...sample(), irVersion: 3 }
  const proto = decode('ModelProto', writeModel(old), defaultBudget())
  assert.deepEqual(
    proto.graph?.input?.map((i) => i.name),
    ['x', 'W', 'b', 'yes'],
  )
  assert.deepEqual(
    readModel(writeModel(old)).graph.inputs.map((i) => i.name),
    ['x'],
  )
})

test('nodes out of order are sorted, others keep their order', () => {
  const shuffled = sample()
  shuffled.graph.nodes.reverse()
  assert.deepEqual(readModel(writeModel(shuffled)), sample())
})

test('damaged graphs are refused with the reason', () => {
  refused(
    edited((_, graph) => graph.node?.[0]?.input?.splice(0, 1, 'ghost')),
    /\[Gemm h\] reads "ghost", which nothing produces/,
  )
  refused(
    edited((_, graph) => graph.node?.[0]?.input?.splice(0, 1, 'y')),
    /depend on their own result/,
  )
  refused(
    edited((_, graph) => graph.node?.push({ opType: 'Relu', input: ['x'], output: ['h'] })),
    /"h" .* is defined twice/,
  )
  refused(
    edited((_, graph) => graph.initializer?.push(graph.initializer[0] ?? {})),
    /initializer "W" is defined twice/,
  )
  refused(
    edited((_, graph) => graph.output?.push({ name: 'z', type: { tensorType: { elemType: 1 } } })),
    /output "z" .* produced by nothing/,
  )
  refused(
    edited((_, graph) => graph.input?.push({ name: 's' })),
    /input "s" is not a tensor/,
  )
  refused(
    edited((_, graph) => graph.node?.push({ output: ['q'] })),
    /names no operator/,
  )
  refused(
    edited((proto) => delete proto.graph),
    /holds no graph/,
  )
  refused(
    edited((proto) => delete proto.opsetImport),
    /imports no operator set/,
  )
})

test('tensors whose data do not fit their shape are refused before anything is allocated', () => {
  const first = (tensor: Partial<Message<'TensorProto'>>) =>
    edited((_, graph) => Object.assign(graph.initializer?.[0] ?? {}, tensor))
  refused(first({ dims: BigInt64Array.of(3n, 5n) }), /"W": shape \[3,5\] of float32 needs 60 bytes, the file holds 48/)
  refused(first({ dims: BigInt64Array.of(-1n, 5n) }), /negative dimension/)
  refused(first({ dims: BigInt64Array.of(2n ** 40n, 2n ** 40n, 0n) }), /larger than any tensor/)
  refused(first({ dims: BigInt64Array.of(2n ** 62n) }), /larger than any tensor/)
  refused(first({ dataType: 99 }), /element type 99/)
  refused(
    first({ rawData: new Uint8Array(0), dims: BigInt64Array.of(1000000000n) }),
    /needs 1000000000 values, the file holds 0/,
  )
  refused(first({ segment: new Uint8Array(1) }), /segments/)
})

test('external data is read through the given function, and never outside the folder', () => {
  const external = (location: string, more: { key: string; value: string }[] = []) =>
    edited((_, graph) => {
      const tensor = graph.initializer?.[0] ?? {}
      delete tensor.rawData
      tensor.dataLocation = 1
      tensor.externalData = [{ key: 'location', value: location }, ...more]
    })
  refused(external('weights.bin'), /"W": its data lies in a second file, "weights.bin"/)
  for (const bad of ['../x', 'a/../../x', '/etc/passwd', 'C:\\x', '\\\\host\\x', '..\\x', ''])
    refused(external(bad), /outside the model's folder/)
  refused(external('w', [{ key: 'offset', value: '-8' }]), /offset -8/)
  refused(external('w', [{ key: 'offset', value: '0x10' }]), /offset 0x10/)
  refused(external('w', [{ key: 'length', value: '99' }]), /length 99/)
  const data = new Uint8Array(49).map((_, i) => i)
  const asked: unknown[] = []
  const found = readModel(external('sub/w.bin', [{ key: 'offset', value: '1' }]), {
    externalData: (location) => ({
      size: data.length,
      read: (offset, length) => {
        asked.push([location, offset, length])
        return data.subarray(offset, offset + length)
      },
    }),
  }).graph.initializers.get('W')
  assert.deepEqual(asked, [], 'nothing is read before it is wanted')
  assert.deepEqual(found?.dims, [3, 4])
  const kept = found.data
  assert.deepEqual(new Uint8Array(kept.buffer, kept.byteOffset, 48), data.slice(1))
  assert.equal(found.data, kept, 'kept while it is held')
  assert.deepEqual(asked, [['sub/w.bin', 1, 48]])
  const short = (size: number) => ({ externalData: () => ({ size, read: () => new Uint8Array(3) }) })
  assert.throws(() => readModel(external('w'), short(47)), /at 0 to 48 in "w", which has 47 bytes/)
  const cut = readModel(external('w'), short(48)).graph.initializers.get('W')
  assert.throws(() => cut?.data, /gave 3 bytes/)
})

test('other formats are recognised', () => {
  const text = (s: string) => new TextEncoder().encode(s)
  refused(new Uint8Array(0), /m\.onnx is not an ONNX model: the file is empty/)
  refused(text('version https://git-lfs.github.com/spec/v1\noid sha256:0'), /Git LFS pointer/)
  refused(text('<!DOCTYPE html><html>'), /web page/)
  refused(text('PK\u0003\u0004'), /zip archive/)
  refused(text('hello, world'), /not a readable ONNX model of 12 bytes/)
})

test('every truncation is refused or read, never a crash', () => {
  const bytes = writeModel(sample())
  for (let end = 0; end < bytes.length; end++) {
    try {
      readModel(bytes.subarray(0, end))
    } catch (error) {
      assert.ok(error instanceof GraftError, `at ${end}: ${error}`)
    }
  }
})

test('random damage is refused or read, never a crash', () => {
  const bytes = writeModel(sample())
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }), (edits) => {
      const damaged = bytes.slice()
      for (const [at, byte] of edits) damaged[at] = byte
      try {
        writeModel(readModel(damaged))
      } catch (error) {
        assert.ok(error instanceof GraftError, String((error as Error).stack))
      }
    }),
    { numRuns: 3000, seed: 7 },
  )
})

test('a file that asks for too many objects is refused', () => {
  const empty = new Uint8Array(2 * 9_000_000).map((_, i) => (i % 2 === 0 ? 10 : 0))
  assert.throws(() => decode('GraphProto', empty, { objects: 1000 }), /too many objects/)
})

test('a chain of 50,000 nodes is read without deep recursion', () => {
  const nodes = Array.from({ length: 50_000 }, (_, i) => node('Relu', [`v${i}`], [`v${i + 1}`])).reverse()
  const long = model({ inputs: [value('v0', [1])], outputs: [value('v50000', [1])], nodes })
  assert.equal(readModel(writeModel(long)).graph.nodes[0]?.inputs[0], 'v0')
})
