/** Training from files whose weights are float16 or int8: what is saved computes what was trained, without any of it left. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { InferenceSession } from 'onnxruntime-node'
import type { Model } from '#graft/graph/graph.js'
import type { Tensor } from '#graft/graph/tensor.js'
import { featureExtraction, fineTuning, loadModel, type TransferOptions, transfer } from '#graft/index.js'
import { readModel } from '#graft/onnx/reader.js'
import { writeModel } from '#graft/onnx/writer.js'
import { smallPhotos } from '../support/graft.js'
import { halfModel, quantisedModel } from '../support/narrowBackbone.js'
import { writeTinyBackbone } from '../support/tinyBackbone.js'

let folder: string
let photos: string

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'graft-narrow-'))
  process.env.GRAFT_CACHE = join(folder, 'cache')
  photos = smallPhotos(join(folder, 'photos'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

/** Trains, saves, and checks that the saved model predicts what was measured; returns what was saved. */
async function trained(name: string, model: Model, technique: TransferOptions['technique'], more = {}): Promise<Model> {
  const backbone = writeTinyBackbone(join(folder, `${name}-backbone`))
  writeFileSync(join(backbone, 'onnx', 'model.onnx'), writeModel(model))
  const out = join(folder, name)
  const result = await transfer({
    data: photos,
    backbone,
    out,
    threads: 1,
    seed: 4,
    report: false,
    ...(technique === undefined ? {} : { technique }),
    ...more,
  })
  const bytes = readFileSync(join(out, 'onnx', 'model.onnx'))
  await (await InferenceSession.create(bytes)).release()
  const saved = await loadModel(out)
  const measured = await saved.evaluate(photos)
  assert.ok(measured.kind === 'classes' && result.evaluation?.kind === 'classes')
  assert.ok(Math.abs(measured.logLoss - result.evaluation.logLoss) < 1e-4)
  const file = join(photos, 'test', 'hat', readdirSync(join(photos, 'test', 'hat'))[0] as string)
  assert.equal((await saved.predict(file)).length, 3)
  await saved.close()
  return readModel(bytes)
}

const types = ({ graph }: Model) => new Set([...graph.initializers.values()].map(({ type }) => type))
const operators = ({ graph }: Model) => graph.nodes.map((n) => n.opType)
const bytesOf = (tensor: Tensor | undefined) =>
  tensor && Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength).toString('hex')

test('from float16: what trained is float32, what stayed is as it was', async () => {
  const whole = await trained('half', halfModel(), fineTuning({ epochs: 2, schedule: 'full' }))
  assert.equal(whole.graph.initializers.get('conv0.weight')?.type, 'float32')
  assert.equal(operators(whole).filter((o) => o === 'Cast').length, 1 + 3 * 2, 'the input and running statistics')
  const upper = await trained('half-upper', halfModel(), featureExtraction(), { unfreeze: 1 })
  assert.equal(upper.graph.initializers.get('conv2.weight')?.type, 'float32')
  const before = halfModel().graph.initializers
  assert.equal(bytesOf(upper.graph.initializers.get('conv0.weight.float16')), bytesOf(before.get('conv0.weight')))
  const features = await trained('half-features', halfModel(), featureExtraction())
  assert.equal(bytesOf(features.graph.initializers.get('conv2.weight.float16')), bytesOf(before.get('conv2.weight')))
})

test('from int8: nothing is quantised any more on what trained, the rest is as it was', async () => {
  const whole = await trained('int8', quantisedModel(), fineTuning({ epochs: 2, schedule: 'gradual' }))
  assert.deepEqual(types(whole), new Set(['float32', 'uint8']), 'the input alone is quantised')
  assert.equal(operators(whole).filter((o) => o === 'QuantizeLinear').length, 1)
  assert.equal(operators(whole).filter((o) => o === 'Clip').length, 4)
  const upper = await trained('int8-upper', quantisedModel(), featureExtraction(), { unfreeze: 1 })
  const before = quantisedModel().graph.initializers
  assert.equal(upper.graph.initializers.get('conv2.weight_quantized')?.type, 'float32')
  assert.equal(
    bytesOf(upper.graph.initializers.get('conv0.weight_quantized')),
    bytesOf(before.get('conv0.weight_quantized')),
  )
  const features = await trained('int8-features', quantisedModel(), featureExtraction())
  for (const [name, tensor] of before)
    if (!name.startsWith('head')) assert.equal(bytesOf(features.graph.initializers.get(name)), bytesOf(tensor), name)
})
