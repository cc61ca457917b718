/** Streams of photos and of texts through saved models: predictions in order, what cannot be read, reset, refusals. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { Random } from '#graft/base/random.js'
import { featureExtraction, type Model, transfer } from '#graft/index.js'
import type { AdaptedBatch, AdaptStreamOptions, Photo, Text } from '#graft/tasks/trainedModel.js'
import { smallPhotos } from '../support/graft.js'
import { writeTinyBackbone } from '../support/tinyBackbone.js'
import { sentences, tinyTextBackbone } from '../support/tinyTextBackbone.js'

let folder: string
let photos: Model
let texts: Model
let files: string[]
const lines = sentences(60).map(({ words, good, bad }) => ({
  text: words.join(' '),
  label: good >= bad ? 'good' : 'bad',
}))

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'graft-stream-'))
  process.env.GRAFT_CACHE = join(folder, 'cache')
  const technique = featureExtraction({})
  const common = { technique, threads: 1, report: false }
  const data = smallPhotos(join(folder, 'photos'))
  const backbone = writeTinyBackbone(join(folder, 'backbone'))
  photos = (await transfer({ data, backbone, out: join(folder, 'photo-model'), ...common })).model
  files = (readdirSync(data, { recursive: true }) as string[])
    .filter((name) => /\.(jpe?g|png)$/i.test(name))
    .map((name) => join(data, name))
    .sort()
    .slice(0, 30)
  const table = join(folder, 'texts.csv')
  writeFileSync(table, `text,label\n${lines.map(({ text, label }) => `${text},${label}`).join('\n')}\n`)
  const encoder = tinyTextBackbone(join(folder, 'encoder'))
  texts = (
    await transfer({ data: table, task: 'texts', backbone: encoder, out: join(folder, 'text-model'), ...common })
  ).model
})
after(async () => {
  await photos.close()
  await texts.close()
  rmSync(folder, { recursive: true, force: true })
})

async function all(
  model: Model,
  batches: readonly (readonly (Photo | Text)[])[],
  options: AdaptStreamOptions,
): Promise<AdaptedBatch[]> {
  const found: AdaptedBatch[] = []
  for await (const batch of model.adapt(batches, options)) found.push(batch)
  return found
}

const chunks = <T>(list: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size))

/** Nothing is learnt. */
const asSaved = { method: 'label-shift', guard: { watched: 1e9 } } as const

test('what is not trusted is what the saved model says', async () => {
  for (const [model, samples] of [
    [photos, files],
    [texts, lines.map(({ text }) => text)],
  ] as const) {
    const batches = await all(model, chunks<string>(samples, 7), asSaved)
    assert.ok(batches.every(({ adapted, reason }) => !adapted && reason !== undefined))
    const results = batches.flatMap((batch) => batch.results)
    const expected = await model.predict(samples)
    assert.equal(results.length, samples.length)
    results.forEach((result, i) => {
      assert.ok('predictions' in result)
      result.predictions.forEach(({ label, score }, k) => {
        assert.equal(label, expected[i]![k]!.label)
        assert.ok(Math.abs(score - expected[i]![k]!.score) < 1e-5)
      })
    })
  }
})

test('every method that the network has answers every sample, the same each time', async () => {
  for (const method of ['auto', 'tent', 'bn-adapt', 'shot'] as const) {
    const options = { method, guard: false, top: 1 } as const
    const [one, two] = [await all(photos, chunks(files, 8), options), await all(photos, chunks(files, 8), options)]
    assert.deepEqual(one, two)
    assert.equal(one.flatMap(({ results }) => results).length, files.length)
    assert.ok(one.every(({ adapted }) => adapted))
  }
  const stream = texts.adapt(chunks(lines, 8), { guard: false, method: 't3a' })
  for await (const { results } of stream) assert.ok(results.every((result) => 'predictions' in result))
  assert.equal(stream.status?.samples, lines.length)
  assert.equal(stream.status?.method, 't3a')
})

test('a photo that cannot be read has its error, and the others their predictions', async () => {
  const broken = join(folder, 'broken.jpg')
  writeFileSync(broken, 'no photo')
  const [first, second] = await all(photos, [[files[0]!, broken, files[1]!], [broken]], asSaved)
  assert.deepEqual(
    first?.results.map(({ id }) => id),
    [files[0], broken, files[1]],
  )
  assert.deepEqual(
    first?.results.map((result) => 'error' in result),
    [false, true, false],
  )
  assert.ok('error' in second!.results[0]!)
})

test('a stream can begin anew, and ends when it is left', async () => {
  const stream = photos.adapt(chunks(files, 8), { method: 'tent', guard: false })
  await stream.next()
  await stream.next()
  assert.equal(stream.status?.steps, 2)
  await stream.reset()
  assert.equal(stream.status?.resets, 1)
  await stream.return?.()
  assert.equal((await stream.next()).done, true)
})

test('what the model or the method cannot do is refused, saying why', async () => {
  await assert.rejects(all(photos, [[{ text: 'a text' }]], {}), /reads photos, and was given a text/)
  await assert.rejects(all(texts, [[new Uint8Array(3)]], {}), /reads texts, and was given bytes/)
  await assert.rejects(all(texts, [['a film']], { method: 'tent' }), /tent cannot be had for this model/)
  assert.throws(() => photos.adapt([], { batch: 0 }), /"batch" is 0/)
})

const PACS = resolve('../shared/data/pacs')
test('photos of another domain: never more than a point below, and better where classes come mixed', {
  skip: existsSync(PACS) ? false : '../shared/data/pacs is not here',
}, async () => {
  const data = join(PACS, 'photo')
  const { model } = await transfer({
    data,
    out: join(folder, 'pacs'),
    technique: featureExtraction({}),
    report: false,
  })
  const random = new Random(1, 'order')
  const samples = model.labels.flatMap((label) =>
    readdirSync(join(PACS, 'art_painting', label))
      .slice(0, 24)
      .map((name) => ({ label, path: join(PACS, 'art_painting', label, name) })),
  )
  const mixed = random.shuffle(samples)
  const sorted = [...mixed].sort((a, b) => (a.label < b.label ? -1 : a.label > b.label ? 1 : 0))
  const plain = await model.predict(
    mixed.map(({ path }) => path),
    { top: 1 },
  )
  const before = plain.filter(([top], i) => top?.label === mixed[i]!.label).length / mixed.length
  for (const [name, order] of Object.entries({ mixed, sorted })) {
    const batches = await all(
      model,
      chunks(
        order.map(({ path }) => path),
        16,
      ),
      { top: 1 },
    )
    const found = batches.flatMap(({ results }) => results)
    const right = found.filter((one, i) => 'predictions' in one && one.predictions[0]?.label === order[i]!.label).length
    assert.ok(right / order.length >= before - 0.01, `${name}: ${before} to ${right / order.length}`)
    if (name === 'mixed')
      assert.ok(right / order.length >= before + 0.02, `${name}: ${before} to ${right / order.length}`)
  }
  await model.close()
})
