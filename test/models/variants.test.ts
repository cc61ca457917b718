/** Smaller files of a network: nearly the same numbers from onnxruntime. */
import assert from 'node:assert/strict'
import { after, before, describe, it, test } from 'node:test'
import { Random } from '#graft/base/random.js'
import { halfToNumber, numberToHalf } from '#graft/graph/formats.js'
import { attr, type Model } from '#graft/graph/graph.js'
import { float32, sizeOf, type Tensor } from '#graft/graph/tensor.js'
import { halfVariant, quantisedVariant } from '#graft/models/variants.js'
import { readModel } from '#graft/onnx/reader.js'
import { writeModel } from '#graft/onnx/writer.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { model, node, value } from '../onnx/build.js'
import { runOnce, waves } from '../support/compare.js'
import { tinyModel } from '../support/tinyBackbone.js'

test('numbers become the nearest half, ties to even', () => {
  // Every half is itself, and what lies between two neighbours goes to the nearer one.
  for (let bits = 0; bits < 0x7c00; bits++) {
    const low = halfToNumber(bits)
    assert.equal(numberToHalf(low), bits)
    assert.equal(numberToHalf(-low), bits | 0x8000)
    if (bits === 0x7bff) continue
    const high = halfToNumber(bits + 1)
    assert.equal(numberToHalf(low + 0.4 * (high - low)), bits)
    assert.equal(numberToHalf(low + 0.6 * (high - low)), bits + 1)
    assert.equal(numberToHalf((low + high) / 2), bits % 2 === 0 ? bits : bits + 1)
  }
  assert.equal(numberToHalf(65519), 0x7bff)
  assert.equal(numberToHalf(65520), 0x7c00)
  assert.equal(numberToHalf(Number.NEGATIVE_INFINITY), 0xfc00)
  assert.ok(Number.isNaN(halfToNumber(numberToHalf(Number.NaN))))
})

/** Random, so that no product cancels to nothing: onnxruntime may round the other factor to int8 too. */
function weights(dims: readonly number[], seed = 1): Tensor {
  const random = new Random(seed, 'variants')
  const scale = 1 / Math.sqrt(sizeOf(dims.slice(1)))
  return float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => scale * random.normal()),
  )
}

/** Every place where a weight is quantised, in every way of storing it. */
function everyPlace(opset: number): Model {
  const half: Tensor = { type: 'float16', dims: [20, 16], data: Uint16Array.from(waves(3, 320), numberToHalf) }
  return model(
    {
      inputs: [value('x', ['batch', 4, 8, 8])],
      outputs: [value('y', ['batch', 12])],
      initializers: new Map([
        ['conv', weights([8, 4, 3, 3])],
        ['up', weights([8, 6, 3, 3], 2)],
        ['small', float32([6], waves(1, 6))],
        ['gemm', weights([16, 600], 4)],
        ['half', half],
        ['matrix', weights([20, 16], 6)],
      ]),
      nodes: [
        node('Conv', ['x', 'conv'], ['c']),
        node('ConvTranspose', ['c', 'up', 'small'], ['u'], { strides: attr.ints([1, 1]) }),
        node('Flatten', ['u'], ['f']),
        node('Constant', [], ['shown'], { value: attr.tensor(weights([384, 600], 5)) }),
        node('MatMul', ['f', 'shown'], ['m']),
        node('Gemm', ['m', 'gemm'], ['g'], { transB: attr.int(1) }),
        node('Cast', ['half'], ['widened'], { to: attr.int(1) }),
        node('Transpose', ['matrix'], ['turned'], { perm: attr.ints([1, 0]) }),
        node('MatMul', ['g', 'turned'], ['t']),
        node('Gemm', ['t', 'widened'], ['y20']),
        node('MatMul', ['y20', 'last'], ['y']),
      ],
    },
    opset,
  )
}

describe('variants', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine?.close())

  const cases: [string, Model, Record<string, ReturnType<typeof floats>>, number][] = []
  for (const opset of [11, 13, 21]) {
    const network = everyPlace(opset)
    network.graph.initializers.set('last', weights([16, 12], 7))
    cases.push([`opset ${opset}`, network, { x: floats([2, 4, 8, 8], waves(2, 512)) }, 4])
  }
  cases.push([
    'a convolutional network',
    tinyModel(),
    { pixel_values: floats([2, 3, 32, 32], waves(4, 2 * 3 * 32 * 32)) },
    2,
  ])

  for (const [name, network, feeds, expected] of cases) {
    it(`${name}: float16 and int8 agree with float32`, async () => {
      const output = network.graph.outputs[0]?.name ?? ''
      const exact = (await runOnce(engine, network, feeds))[output]?.data as Float32Array
      const largest = exact.reduce((best, v) => Math.max(best, Math.abs(v)), 0)
      for (const [make, tolerance] of [
        [halfVariant, 1e-2],
        [quantisedVariant, 6e-2],
      ] as const) {
        const { model: variant, converted } = make(network)
        const bytes = writeModel(variant)
        assert.ok(bytes.length < 0.8 * writeModel(network).length)
        assert.ok(converted >= expected, `${converted} converted`)
        const found = (await runOnce(engine, readModel(bytes), feeds))[output]?.data as Float32Array
        let off = 0
        for (const [i, v] of exact.entries()) off = Math.max(off, Math.abs(v - (found[i] ?? Number.NaN)))
        assert.ok(off <= tolerance * largest, `off by ${off} of ${largest}`)
        assert.ok(off > 0, 'something was rounded')
      }
    })
  }

  it('leaves what does not fit', () => {
    const huge = model({
      inputs: [value('x', [1, 64])],
      outputs: [value('y', [1, 32])],
      initializers: new Map([['w', float32([64, 32], new Float32Array(2048).fill(1e6))]]),
      nodes: [node('MatMul', ['x', 'w'], ['y'])],
    })
    assert.equal(halfVariant(huge).converted, 0)
    assert.equal(quantisedVariant(huge).converted, 1)
  })
})
