/** Soups: the mean of trainings of one network, and the greedy one, which is no worse than the best of them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fineTuning, loadModel, soup, transfer } from '#graft/index.js'
import { openModel } from '#graft/models/modelFile.js'
import { smallPhotos } from '../support/graft.js'
import { writeTinyBackbone } from '../support/tinyBackbone.js'

let folder: string
let data: string
const members: string[] = []

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'graft-soup-'))
  process.env.GRAFT_CACHE = join(folder, 'cache')
  data = smallPhotos(join(folder, 'photos'))
  const backbone = writeTinyBackbone(join(folder, 'backbone'))
  for (const seed of [1, 2, 3]) {
    const out = join(folder, `member${seed}`)
    await transfer({ data, backbone, out, seed, threads: 1, report: false, technique: fineTuning({ epochs: 2 }) })
    members.push(out)
  }
})
after(() => rmSync(folder, { recursive: true, force: true }))

const weights = async (out: string) => (await openModel(join(out, 'onnx', 'model.onnx'))).model.graph.initializers

test('without data it is the mean of all, and a model like any other', async () => {
  const { model, members: taken } = await soup(members)
  assert.deepEqual(taken, members)
  const out = join(folder, 'uniform')
  await model.save(out)
  await model.close()
  const [mean, ...own] = await Promise.all([out, ...members].map(weights))
  for (const name of ['conv0.weight', 'norm1.gamma', 'graft.head.bias']) {
    const parts = own.map((initializers) => initializers.get(name)!.data as Float32Array)
    ;(mean!.get(name)!.data as Float32Array).forEach((value, i) => {
      const expected = (parts[0]![i]! + parts[1]![i]! + parts[2]![i]!) / 3
      assert.ok(Math.abs(value - expected) < 1e-6, `${name}[${i}]`)
    })
  }
  const loaded = await loadModel(out)
  assert.equal(loaded.record.technique, 'Model soup of 3')
  await loaded.close()
})

test('with held-out data it is no worse there than the best member', async () => {
  const alone: number[] = []
  for (const member of members) {
    const model = await loadModel(member)
    const found = await model.evaluate(data)
    alone.push(found.kind === 'classes' ? found.accuracy : Number.NaN)
    await model.close()
  }
  const { model, evaluation, members: taken } = await soup(members, { data })
  await model.close()
  assert.ok(evaluation?.kind === 'classes' && evaluation.accuracy >= Math.max(...alone))
  assert.ok(taken.length >= 1)
})

test('what has no common mean is refused', async () => {
  await assert.rejects(soup(members.slice(0, 1)), /at least two models/)
  const other = join(folder, 'other')
  const backbone = writeTinyBackbone(join(folder, 'backbone2'), 5)
  await transfer({ data, backbone, out: other, threads: 1, report: false })
  await assert.rejects(soup([members[0]!, other]), /different backbones/)
})
