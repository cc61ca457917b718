/** Batches: order, determinism, bad photos, resuming, bounded work ahead, mixing and corruptions. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import type { GraftError } from '#graft/base/errors.js'
import { matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { AUGMENT_POLICIES } from '#graft/data/augment.js'
import { type PixelBatchOptions, pixelBatches } from '#graft/data/batches.js'
import { eachAtOnce, mapAhead } from '#graft/data/concurrent.js'
import { CORRUPTIONS, corrupt, type Severity } from '#graft/data/corruptions.js'
import { images } from '#graft/data/images.js'
import { mixBatch } from '#graft/data/mixing.js'
import { preprocessorFromFlags } from '#graft/data/preprocessor.js'
import { imageTransform, pixelValues } from '#graft/data/transform.js'
import type { ImageSample, PixelBatch } from '#graft/data/types.js'
import { decodeImage, type RgbImage } from '#graft/platform/node.js'
import { FOREIGN, jpegOf } from './folders.js'
import { testPhoto } from './photos.js'

const transform = imageTransform(preprocessorFromFlags({ size: 24 }))
const size = 3 * 24 * 24

async function samplesOf(count: number, bad: readonly number[] = []): Promise<ImageSample[]> {
  const samples: ImageSample[] = []
  for (let i = 0; i < count; i++) {
    const source = bad.includes(i) ? FOREIGN.heic : await jpegOf(i + 1)
    samples.push({ id: `#${i}`, source, label: i % 2 })
  }
  return samples
}

async function collect(options: PixelBatchOptions): Promise<PixelBatch[]> {
  const batches: PixelBatch[] = []
  for await (const batch of pixelBatches(options)) batches.push(batch)
  return batches
}

function concat(batches: readonly PixelBatch[]): Float32Array {
  return Float32Array.from(batches.flatMap((batch) => [...batch.pixels]))
}

test('keeps the order, and the last batch is smaller', async () => {
  const samples = await samplesOf(7)
  const order = [6, 0, 3, 3, 1, 2, 5, 4]
  const batches = await collect({ samples, order, transform, batchSize: 3 })
  assert.deepEqual(
    batches.map((batch) => [...batch.positions]),
    [
      [0, 1, 2],
      [3, 4, 5],
      [6, 7],
    ],
  )
  assert.deepEqual(
    batches.map((batch) => [batch.count, batch.pixels.length]),
    [
      [3, 3 * size],
      [3, 3 * size],
      [2, 2 * size],
    ],
  )
  const pixels = concat(batches)
  for (const [position, index] of order.entries()) {
    const expected = await pixelValues(transform, await decodeImage(samples[index]!.source as Uint8Array))
    assert.deepEqual(pixels.subarray(position * size, (position + 1) * size), expected)
  }
})

test('a photo draws the same whatever stands around it, and a new draw each epoch and each repetition', async () => {
  const samples = await samplesOf(4)
  const common = { samples, transform, augment: AUGMENT_POLICIES.strong, random: new Random(5) }
  const together = concat(await collect({ ...common, batchSize: 4, epoch: 2 }))
  const alone = concat(await collect({ ...common, batchSize: 1, order: [2], epoch: 2, prefetch: 1 }))
  assert.deepEqual(alone, together.subarray(2 * size, 3 * size))
  const later = concat(await collect({ ...common, batchSize: 1, order: [2], epoch: 3 }))
  assert.notDeepEqual(later, alone)
  const twice = concat(await collect({ ...common, batchSize: 2, order: [2, 2], epoch: 2 }))
  assert.deepEqual(twice.subarray(0, size), alone)
  assert.notDeepEqual(twice.subarray(size), alone)
})

test('a resumed epoch goes on with the same batches', async () => {
  const samples = await samplesOf(6, [1])
  const common = {
    samples,
    order: [0, 1, 2, 2, 3, 4, 2, 5],
    transform,
    batchSize: 2,
    augment: AUGMENT_POLICIES.light,
    random: new Random(5),
  }
  const all = await collect(common)
  const start = all[0]!.positions.at(-1)! + 1
  assert.deepEqual(await collect({ ...common, start }), all.slice(1))
})

test('bad photos are reported and left out, later ones move up, strict throws', async () => {
  const samples = await samplesOf(7, [0, 4])
  const skipped: string[] = []
  const onSkip = (sample: ImageSample, error: GraftError) => skipped.push(`${sample.id} ${error.message}`)
  const batches = await collect({ samples, transform, batchSize: 2, onSkip })
  assert.deepEqual(
    batches.map((batch) => [...batch.positions]),
    [[1, 2], [3, 5], [6]],
  )
  assert.deepEqual(
    skipped.map((text) => text.slice(0, 12)),
    ['#0 #0: HEIC ', '#4 #4: HEIC '],
  )
  await assert.rejects(collect({ samples, transform, batchSize: 2, strict: true }), /#0: HEIC/)
  assert.deepEqual(await collect({ samples: samples.slice(0, 1), transform, batchSize: 2 }), [])
  await assert.rejects(collect({ samples, order: [9], transform, batchSize: 2 }), /order holds 9/)
})

test('stops at an abort', async () => {
  const samples = await samplesOf(4)
  const controller = new AbortController()
  await assert.rejects(
    async () => {
      for await (const _ of pixelBatches({ samples, transform, batchSize: 1, signal: controller.signal }))
        controller.abort()
    },
    { name: 'AbortError' },
  )
})

test('work ahead is bounded, in order, and ends with an early exit', async () => {
  let running = 0
  let most = 0
  let started = 0
  const work = async (item: number) => {
    started++
    most = Math.max(most, ++running)
    await new Promise((resolve) => setTimeout(resolve, (item * 7) % 5))
    running--
    if (item === 30) throw new Error('thirty')
    return item
  }
  const numbers = Array.from({ length: 100 }, (_, i) => i)
  const seen: number[] = []
  let furthest = 0
  await assert.rejects(async () => {
    for await (const value of mapAhead(numbers, work, { concurrency: 3, ahead: 8 })) {
      seen.push(value)
      furthest = Math.max(furthest, started - seen.length)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }, /thirty/)
  assert.deepEqual(seen, numbers.slice(0, 30))
  assert.ok(most <= 3, `${most} ran at once`)
  assert.ok(furthest <= 8 + 1, `${furthest} were started ahead`)
  assert.equal(running, 0)
  started = 0
  for await (const value of mapAhead(numbers.slice(0, 20), work, { concurrency: 2 })) if (value === 4) break
  const atExit = started
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(started, atExit)
})

test('memory stays flat over many photos', async () => {
  const samples = await samplesOf(4)
  const order = new Int32Array(1600).map((_, i) => i % 4)
  let resident = 0
  let most = 0
  let count = 0
  for await (const batch of pixelBatches({ samples, order, transform, batchSize: 25 })) {
    count += batch.count
    if (count === 600) resident = process.memoryUsage.rss()
    if (count > 600) most = Math.max(most, process.memoryUsage.rss())
  }
  assert.equal(count, 1600)
  assert.ok(most - resident < 60e6, `grew by ${(most - resident) / 1e6} MB`)
})

function batchOf(values: readonly number[]): PixelBatch {
  const pixels = Float32Array.from(values.flatMap((value) => new Array<number>(3 * 8 * 8).fill(value)))
  return { pixels, count: values.length, height: 8, width: 8, positions: Int32Array.from(values.keys()) }
}

test('mixup and CutMix keep pixels and targets in the same proportion', () => {
  const targets = matrix(3, 3, Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1))
  const batch = batchOf([0, 1, 10])
  const before = batch.pixels.slice()
  const kinds = [
    { mixup: 1, cutMix: 0, probability: 1 },
    { mixup: 0, cutMix: 1, probability: 1 },
    { mixup: 0.5, cutMix: 0.5, probability: 0.5 },
  ]
  let changed = 0
  for (const options of kinds)
    for (let key = 0; key < 40; key++) {
      const mixed = mixBatch(batch, targets, options, new Random(key))
      if (mixed.kept < 1) changed++
      for (let n = 0; n < 3; n++) {
        const row = mixed.targets.data.subarray(n * 3, n * 3 + 3)
        assert.ok(Math.abs(row.reduce((a, b) => a + b, 0) - 1) < 1e-6)
        const pixels = mixed.pixels.subarray(n * 192, (n + 1) * 192)
        const mean = pixels.reduce((a, b) => a + b, 0) / 192
        // The photos hold 0, 1 and 10, so the mean pixel is the mean of these by the targets.
        assert.ok(Math.abs(mean - (row[1]! + 10 * row[2]!)) < 1e-4, `${mean} against ${row.join(' ')}`)
      }
      assert.deepEqual(mixBatch(batch, targets, options, new Random(key)), mixed)
    }
  assert.ok(changed > 60 && changed < 120, `${changed} of 120 were mixed`)
  assert.deepEqual(batch.pixels, before)
  assert.equal(mixBatch(batchOf([1]), matrix(1, 3), kinds[0]!, new Random(1)).kept, 1)
})

test('corruptions grow with their severity and are repeatable', async () => {
  const photo = testPhoto(160, 150, 3)
  const distance = (image: RgbImage) => image.data.reduce((sum, value, i) => sum + (value - photo.data[i]!) ** 2, 0)
  for (const kind of CORRUPTIONS) {
    let last = 0
    for (const severity of [1, 2, 3, 4, 5] as Severity[]) {
      const worse = await corrupt(photo, kind, severity, new Random(1))
      assert.deepEqual([worse.width, worse.height], [160, 150])
      assert.ok(distance(worse) > last, `${kind} ${severity}`)
      last = distance(worse)
    }
    assert.deepEqual(await corrupt(photo, kind, 3, new Random(1)), await corrupt(photo, kind, 3, new Random(1)))
  }
  const black = { width: 1, height: 1, data: Uint8Array.of(0, 0, 0) }
  assert.deepEqual([...(await corrupt(black, 'brightness', 5, new Random(1))).data], [128, 128, 128])
})

test('a corruption is applied between fitting and normalising', async () => {
  const samples = await samplesOf(2)
  const alter = (image: RgbImage, random: Random | undefined) =>
    corrupt(image, 'gaussian-noise', 2, random ?? new Random(0))
  const noisy = concat(await collect({ samples, transform, batchSize: 2, alter, random: new Random(3) }))
  const again = concat(await collect({ samples, transform, batchSize: 1, alter, random: new Random(3) }))
  assert.deepEqual(noisy, again)
  const clean = concat(await collect({ samples, transform, batchSize: 2 }))
  assert.notDeepEqual(noisy, clean)
})

const clothing = '../shared/data/clothing-mini'
test('real photos with the light policy', { skip: existsSync(clothing) ? false : `no ${clothing}` }, async () => {
  const { samples } = await images(clothing)
  const common = { samples, transform, batchSize: 16, augment: AUGMENT_POLICIES.light, random: new Random(1) }
  const batches = await collect(common)
  assert.equal(
    batches.reduce((sum, batch) => sum + batch.count, 0),
    120,
  )
  assert.ok(batches.every((batch) => batch.pixels.every(Number.isFinite)))
})

test('a stream is worked on a few at a time, and a failure ends it once all that was begun has ended', async () => {
  async function* stream(length: number) {
    for (let i = 0; i < length; i++) yield i
  }
  let underWay = 0
  let most = 0
  const done: number[] = []
  const work = async (item: number) => {
    most = Math.max(most, ++underWay)
    await new Promise((resolve) => setTimeout(resolve, item % 3))
    underWay--
    if (item === 7) throw new Error('seven')
    done.push(item)
  }
  await eachAtOnce(stream(6), 3, work)
  assert.deepEqual([...done].sort(), [0, 1, 2, 3, 4, 5])
  assert.equal(most, 3)
  await assert.rejects(eachAtOnce(stream(1000), 3, work), /seven/)
  assert.equal(underWay, 0)
  assert.ok(done.length < 30)
})
