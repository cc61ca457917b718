/** The bundled backbone on real photos: what the defaults reach, and that transformers.js says the same. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { env, pipeline } from '@huggingface/transformers'
import { type ImageModel, transfer } from '#graft/index.js'
import { EXAMPLES } from '../support/graft.js'

const CLOTHING = resolve('../shared/data/clothing')
let folder: string
let model: ImageModel

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'graft-end-'))
  process.env.GRAFT_CACHE = join(folder, 'cache')
  const result = await transfer({ data: EXAMPLES, out: join(folder, 'model'), report: false })
  assert.ok(result.model.kind === 'images')
  model = result.model
})
after(async () => {
  await model.close()
  rmSync(folder, { recursive: true, force: true })
})

test('transformers.js loads the folder and gives the same scores', async () => {
  env.allowRemoteModels = false
  env.allowLocalModels = true
  env.localModelPath = ''
  const classify = await pipeline('image-classification', join(folder, 'model'))
  for (const name of ['hat', 'dress', 'shoes']) {
    const file = join(EXAMPLES, 'test', name, readdirSync(join(EXAMPLES, 'test', name))[0]!)
    const theirs = (await classify(file, { top_k: 10 })) as { label: string; score: number }[]
    const ours = await model.predict(file)
    assert.equal(theirs[0]?.label, ours[0]?.label)
    for (const { label, score } of ours) {
      const other = theirs.find((t) => t.label === label)
      assert.ok(other && Math.abs(other.score - score) < 1e-4, `${label}: ${score} against ${other?.score}`)
    }
  }
})

test('eight photos a class reach 0.70 on photos of the same kind', {
  skip: existsSync(CLOTHING) ? false : '../shared/data/clothing is not here',
}, async () => {
  const { accuracy, n } = await model.evaluate(CLOTHING, { split: 'test' })
  assert.equal(n, 372)
  // A standardised logistic regression on PyTorch's features reaches 0.718.
  assert.ok(accuracy >= 0.7, `accuracy ${accuracy}`)
})
