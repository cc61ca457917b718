/** Saved models adapted to samples without labels: labels are not looked at, the classifier stays, and what is kept can be saved. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { featureExtraction, loadModel, transfer } from '#graft/index.js'
import { HEAD_BIAS, HEAD_WEIGHT } from '#graft/models/attach.js'
import { openModel } from '#graft/models/modelFile.js'
import { adaptWithoutSource } from '#graft/tasks/withoutSource.js'
import { smallPhotos } from '../support/graft.js'
import { writeTinyBackbone } from '../support/tinyBackbone.js'
import { sentences, tinyTextBackbone } from '../support/tinyTextBackbone.js'

let folder: string
let photos: string
const models: Record<'photos' | 'texts', string> = { photos: '', texts: '' }
const lines = sentences(80).map(({ words, good, bad }) => ({
  text: words.join(' '),
  label: good >= bad ? 'good' : 'bad',
}))

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'graft-without-'))
  process.env.GRAFT_CACHE = join(folder, 'cache')
  const common = { technique: featureExtraction({}), threads: 1, report: false }
  photos = smallPhotos(join(folder, 'photos'))
  models.photos = join(folder, 'photo-model')
  const backbone = writeTinyBackbone(join(folder, 'backbone'))
  const one = await transfer({ data: photos, backbone, out: models.photos, ...common })
  await one.model.close()
  const table = join(folder, 'texts.csv')
  writeFileSync(table, `text,label\n${lines.map(({ text, label }) => `${text},${label}`).join('\n')}\n`)
  models.texts = join(folder, 'text-model')
  const encoder = tinyTextBackbone(join(folder, 'encoder'))
  const two = await transfer({ data: table, task: 'texts', backbone: encoder, out: models.texts, ...common })
  await two.model.close()
})
after(() => rmSync(folder, { recursive: true, force: true }))

const options = { epochs: 2, batch: 8, threads: 1, unfreeze: 1 }

test('photos: the last block follows them, the classifier stays, and the same seed gives the same numbers', async () => {
  const found = await adaptWithoutSource(models.photos, photos, options)
  const again = await adaptWithoutSource(models.photos, photos, options)
  assert.deepEqual(found.adapted, again.adapted)
  assert.equal(found.ids.length, found.adapted.logits.rows)
  assert.equal(found.adapted.features.rows, found.ids.length)
  assert.equal(found.drift.length, 2)
  assert.ok(found.adapted.logits.data.some((z, i) => z !== found.unadapted.logits.data[i]))
  assert.equal(found.reasons.length, 1)
  const out = join(folder, 'kept')
  await found.model.save(out)
  const [before, kept] = await Promise.all(
    [models.photos, out].map(
      async (path) => (await openModel(join(path, 'onnx', 'model.onnx'))).model.graph.initializers,
    ),
  )
  for (const name of [HEAD_WEIGHT, HEAD_BIAS, 'conv0.weight', 'norm0.gamma'])
    assert.deepEqual(kept!.get(name)?.data, before!.get(name)?.data, name)
  const [old, own] = [before, kept].map((all) => all!.get('conv2.weight')!.data as Float32Array)
  assert.equal(
    own!.every((v, i) => v === old![i]),
    found.kept === 'unadapted',
  )
  const loaded = await loadModel(out)
  const predicted = await loaded.predict(found.ids)
  assert.equal(predicted.length, found.ids.length)
  await loaded.close()
  await found.model.close()
  await again.model.close()
})

test('texts go through the whole network, padded to several lengths', async () => {
  const target = lines.map(({ text }) => ({ text }))
  const table = join(folder, 'target.csv')
  writeFileSync(table, `text\n${target.map(({ text }) => text).join('\n')}\n`)
  const found = await adaptWithoutSource(models.texts, table, options)
  assert.equal(found.ids.length, lines.length)
  assert.ok(found.adapted.logits.data.some((z, i) => z !== found.unadapted.logits.data[i]))
  await found.model.close()
})

test('by its neighbours instead, which gives another network', async () => {
  const found = await adaptWithoutSource(models.photos, photos, { ...options, method: 'nrc' })
  const other = await adaptWithoutSource(models.photos, photos, options)
  assert.equal(found.method.title, 'NRC')
  assert.deepEqual(found.unadapted.logits, other.unadapted.logits)
  assert.ok(found.adapted.logits.data.every(Number.isFinite))
  assert.notDeepEqual(found.adapted.logits, found.unadapted.logits)
  assert.notDeepEqual(found.adapted.logits, other.adapted.logits)
  await found.model.close()
  await other.model.close()
})

test('what cannot be is refused', async () => {
  await assert.rejects(Promise.resolve(adaptWithoutSource(models.photos, photos, { epochs: 0 })), /"epochs" is 0/)
  const unknown = { method: 'magic' as 'shot' }
  await assert.rejects(Promise.resolve(adaptWithoutSource(models.photos, photos, unknown)), /expected one of shot, nrc/)
  await assert.rejects(Promise.resolve(adaptWithoutSource(join(folder, 'no'), photos)), /no such folder/)
})
