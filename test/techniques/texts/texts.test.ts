import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openFeatureCache } from '#graft/data/featureCache.js'
import type { Targets } from '#graft/data/targets.js'
import { chooseBuckets, type TokenizedTexts, tokenizeTexts } from '#graft/data/tokenBatches.js'
import { cut } from '#graft/models/attach.js'
import { resolveTextBackbone, type TextBackbone, textPoint } from '#graft/models/textBackbone.js'
import { openTextExtractor, paddedLength } from '#graft/techniques/texts/features.js'
import { textSource } from '#graft/techniques/texts/source.js'

const lines = [
  'a stirring , funny and finally transporting re imagining of beauty and the beast',
  'one long string of cliches',
  'no movement , no yuks , not much of anything',
  'good',
  'it is a film that one watches twice , and then once more with friends who have not seen it yet',
]
const samples = lines.map((text, i) => ({ id: `#${i}`, text }))
const targets: Targets = { kind: 'single-label', classes: ['bad', 'good'], labels: Int32Array.of(1, 0, 0, 1, 1) }
const { signal } = new AbortController()
let backbone: TextBackbone
let texts: TokenizedTexts
let folder: string

before(async () => {
  backbone = await resolveTextBackbone('all-minilm-l6-v2')
  texts = await tokenizeTexts(samples, backbone.tokenizer, { maxLength: backbone.maxLength })
  folder = await mkdtemp(join(tmpdir(), 'graft-texts-'))
})
after(() => rm(folder, { recursive: true }))

test('batches of texts: every sample once, padded to a bucket, in the order that was arranged', async () => {
  const buckets = chooseBuckets(texts.lengths, 256)
  const positions = Int32Array.of(4, 3, 2, 1)
  const source = textSource({ texts, targets, positions, inputs: ['input_ids', 'attention_mask'], buckets })
  assert.equal(source.length, 4)
  assert.deepEqual(source.targets, { ...targets, labels: Int32Array.of(1, 1, 0, 0) })
  const shapes = new Set<number>()
  const seen: number[] = []
  const request = { order: Int32Array.of(0, 1, 2, 3), start: 0, size: 2, epoch: 0, signal }
  for await (const { samples: chosen, inputs, words } of source.batches(request)) {
    assert.deepEqual(Object.keys(inputs), ['input_ids', 'attention_mask'])
    assert.equal(words, undefined)
    const { dims, data } = inputs.attention_mask!
    shapes.add(dims[1] as number)
    assert.ok(buckets.includes(dims[1] as number))
    chosen.forEach((sample, row) => {
      const own = (data as BigInt64Array).slice(row * dims[1]!, (row + 1) * dims[1]!)
      assert.equal(Number(own.reduce((a, b) => a + b)), texts.lengths[positions[sample]!])
    })
    seen.push(...chosen)
  }
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3])
  for (const length of shapes)
    assert.ok(
      source.shapes?.some((shape) => shape.input_ids?.[0] === length),
      `${length} is not announced`,
    )
  const later: number[] = []
  for await (const batch of source.batches({ ...request, start: 2 })) later.push(...batch.samples)
  assert.deepEqual(later, seen.slice(2))
})

test('hidden states go in with their tokens, padded with zeros', async () => {
  const hidden = {
    name: 'h',
    width: 2,
    of: (sample: number) => new Float32Array(2 * texts.lengths[sample]!).fill(sample + 1),
  }
  const positions = Int32Array.of(0, 1)
  const source = textSource({ texts, targets, positions, inputs: ['attention_mask'], buckets: [32], hidden })
  assert.deepEqual(source.shapes, [{ attention_mask: [32], h: [32, 2] }])
  for await (const { inputs, samples: chosen } of source.batches({
    order: positions,
    start: 0,
    size: 2,
    epoch: 0,
    signal,
  })) {
    assert.deepEqual(inputs.h?.dims, [2, 32, 2])
    chosen.forEach((sample, row) => {
      const own = (inputs.h!.data as Float32Array).slice(row * 64, (row + 1) * 64)
      own.forEach((v, i) => {
        assert.equal(v, i < 2 * texts.lengths[sample]! ? sample + 1 : 0)
      })
    })
  }
})

test('features of texts do not depend on their neighbours, come from the cache again, and tokens keep their rows', async () => {
  const body = cut(backbone.model, textPoint(backbone, 'texts', true))
  const contents = lines.map((_, i) => `${i}`.repeat(64))
  const part = { ...body, source: backbone.bytesSha256, threads: 1, signal }
  const cache = openFeatureCache({ directory: folder })
  const extractor = await openTextExtractor({ ...part, cache }, texts, contents)
  let done = 0
  const together = await extractor.rows([0, 1, 2, 3, 4], (n) => (done += n))
  assert.equal(done, 5)
  for (const row of together) {
    assert.equal(row.length, 384)
    assert.ok(Math.abs(Math.hypot(...row) - 1) < 1e-6)
  }
  await extractor.release()
  const fresh = await openTextExtractor(part, texts, contents)
  for (const i of [4, 3]) {
    const [alone] = await fresh.rows([i])
    alone!.forEach((v, k) => {
      assert.ok(Math.abs(v - together[i]![k]!) < 1e-6)
    })
  }
  assert.equal(fresh.key, extractor.key)
  await fresh.release()

  // A network that cannot compute: what comes out comes from the cache.
  const again = await openTextExtractor({ ...part, cache }, texts, contents)
  await again.release()
  assert.deepEqual(await again.rows([2, 0]), [together[2], together[0]])
  await cache.close()

  const tokens = cut(backbone.model, textPoint(backbone, 'tokens'))
  const perToken = await openTextExtractor({ ...part, ...tokens }, texts, contents)
  assert.notEqual(perToken.key, extractor.key)
  const [row] = await perToken.rows([1])
  assert.equal(row!.length, 384 * texts.lengths[1]!)
  // Their mean, divided by its length, is the text's own row.
  const mean = Array.from({ length: 384 }, (_, d) => {
    let sum = 0
    for (let t = 0; t < texts.lengths[1]!; t++) sum += row![t * 384 + d]!
    return sum
  })
  const length = Math.hypot(...mean)
  mean.forEach((v, d) => {
    assert.ok(Math.abs(v / length - together[1]![d]!) < 1e-6)
  })
  await perToken.release()
})

test('an aborted extraction ends', async () => {
  const controller = new AbortController()
  const body = cut(backbone.model, textPoint(backbone))
  const extractor = await openTextExtractor({ ...body, source: '', threads: 1, signal: controller.signal }, texts, [])
  controller.abort(new Error('stopped'))
  await assert.rejects(extractor.rows([0, 1]), /stopped/)
  await extractor.release()
})

test('padded lengths grow by at most an eighth', () => {
  assert.deepEqual(
    [1, 8, 9, 64, 65, 128, 129, 200, 250].map((n) => paddedLength(n, 255)),
    [8, 8, 16, 64, 80, 128, 160, 224, 255],
  )
})
