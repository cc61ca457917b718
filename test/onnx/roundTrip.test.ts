import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { readModel } from '#graft/onnx/reader.js'
import { writeModel } from '#graft/onnx/writer.js'
import { oracleCases, oracleModel, oracleTensors, SHARED, skipOracle } from './oracle.js'

async function run(bytes: Uint8Array, feeds: Record<string, Tensor>): Promise<Map<string, Uint8Array>> {
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 })
  const results = await session.run(feeds)
  const out = new Map<string, Uint8Array>()
  for (const [name, tensor] of Object.entries(results)) {
    const data = tensor.data as Float32Array
    out.set(name, new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice())
  }
  await session.release()
  return out
}

test('every reference graph read and written again computes the same bits', { skip: skipOracle }, async (t) => {
  for (const name of oracleCases())
    await t.test(name, async () => {
      const bytes = oracleModel(name)
      const again = writeModel(readModel(bytes))
      const feeds: Record<string, Tensor> = {}
      for (const [key, value] of oracleTensors(name))
        if (key.startsWith('input.'))
          feeds[key.slice('input.'.length)] = new Tensor(
            value.dtype === 'I64' ? 'int64' : 'float32',
            value.data,
            value.shape,
          )
      const before = await run(bytes, feeds)
      const after = await run(again, feeds)
      assert.ok(before.size > 0)
      assert.deepEqual(after, before)
      assert.deepEqual(readModel(again), readModel(bytes), 'reading what was written gives the same model')
    })
})

const MODELS = [
  { name: 'efficientnet-lite0', feeds: { pixel_values: { type: 'float32', shape: [2, 3, 224, 224] } } },
  {
    name: 'all-minilm-l6-v2',
    feeds: Object.fromEntries(
      ['input_ids', 'attention_mask', 'token_type_ids'].map((n) => [n, { type: 'int64', shape: [2, 16] }]),
    ),
  },
]

for (const { name, feeds } of MODELS) {
  const path = join(SHARED, 'models', name, 'onnx', 'model.onnx')
  test(`${name} read and written again computes the same bits`, {
    skip: existsSync(path) ? false : `${path} is absent`,
  }, async () => {
    const bytes = readFileSync(path)
    const tensors: Record<string, Tensor> = {}
    for (const [input, { type, shape }] of Object.entries(feeds)) {
      const size = shape.reduce((a, b) => a * b, 1)
      tensors[input] =
        type === 'int64'
          ? new Tensor(
              'int64',
              BigInt64Array.from({ length: size }, (_, i) =>
                input === 'input_ids' ? BigInt(1000 + i * 7) : input === 'attention_mask' ? 1n : 0n,
              ),
              shape,
            )
          : new Tensor(
              'float32',
              Float32Array.from({ length: size }, (_, i) => Math.sin(i)),
              shape,
            )
    }
    assert.deepEqual(await run(writeModel(readModel(bytes)), tensors), await run(bytes, tensors))
  })
}
