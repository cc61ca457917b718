/** Copies, conflicting labels, leakage, the split that keeps groups together, and the fingerprint. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import sharp from 'sharp'
import { Random } from '#graft/base/random.js'
import { findDuplicates } from '#graft/data/duplicates.js'
import { datasetFingerprint } from '#graft/data/fingerprint.js'
import { images } from '#graft/data/images.js'
import { perceptualHash, popCount } from '#graft/data/perceptualHash.js'
import { scanPhotos, withoutUnreadable } from '#graft/data/scan.js'
import { splitPhotos } from '#graft/data/split.js'
import type { ImageDataset, ImageSample, Split } from '#graft/data/types.js'
import { encodeJpeg, encodePng } from '#graft/platform/node.js'
import { FOREIGN, jpegOf, temporaryFolder, write } from './folders.js'
import { testPhoto } from './photos.js'

function datasetOf(
  samples: readonly (Omit<ImageSample, 'id'> & { id?: string })[],
  classes = ['cat', 'dog'],
): ImageDataset {
  const named = samples.map((sample, i) => ({ id: `#${i}`, ...sample }))
  return { kind: 'images', origin: undefined, classes, samples: named, skipped: [], warnings: [] }
}

test('exact and near copies are grouped; other photos, flat pictures and other colours are not', async () => {
  const a = testPhoto(300, 200, 1)
  const b = testPhoto(300, 200, 2)
  const image = sharp(a.data, { raw: { width: 300, height: 200, channels: 3 } })
  const solid = (r: number, g: number, b: number) =>
    sharp({ create: { width: 60, height: 60, channels: 3, background: { r, g, b } } })
      .png()
      .toBuffer()
  const recoloured = a.data.slice()
  for (let i = 0; i < recoloured.length; i += 3)
    [recoloured[i], recoloured[i + 2]] = [recoloured[i + 2]!, recoloured[i]!]
  const sources = [
    await encodeJpeg(a, 95), // 0
    await encodeJpeg(b, 95), // 1
    await encodeJpeg(a, 40), // 2: recompressed
    await image.clone().resize(150).webp().toBuffer(), // 3: smaller
    await image.clone().modulate({ brightness: 1.1 }).jpeg().toBuffer(), // 4: brighter
    await encodeJpeg(b, 95), // 5: the same bytes as 1
    await solid(200, 30, 30), // 6
    await solid(30, 110, 200), // 7
    await solid(200, 30, 30), // 8: the same bytes as 6
    await encodePng({ ...a, data: recoloured }), // 9
    await image.clone().flop().jpeg().toBuffer(), // 10: mirrored
  ]
  const data = datasetOf(sources.map((source, i) => ({ source, label: i === 4 ? 1 : 0 })))
  const scan = await scanPhotos(data.samples)
  const found = findDuplicates(data, scan)
  assert.deepEqual(found.groups, [
    { members: [0, 2, 3, 4], exact: false },
    { members: [1, 5], exact: true },
    { members: [6, 8], exact: true },
  ])
  assert.deepEqual([...found.groupOf], [0, 1, 0, 0, 0, 1, 6, 7, 6, 9, 10])
  assert.deepEqual(
    found.conflicts.map((group) => group.members[0]),
    [0],
  )
  assert.deepEqual(found.leaks, [])
  assert.match(found.warnings.join('\n'), /5 photos are exact or near copies of another/)
  assert.match(found.warnings.join('\n'), /1 photo has copies under different labels: #0 \(cat\), #2 \(cat\)/)
})

test('copies across the given split are leakage', async () => {
  const photo = await jpegOf(1)
  const data = datasetOf([
    { source: photo, label: 0, split: 'train' },
    { source: photo, label: 0, split: 'test' },
    { source: await jpegOf(2), label: 1, split: 'train' },
  ])
  const found = findDuplicates(data, await scanPhotos(data.samples))
  assert.equal(found.leaks.length, 1)
  assert.match(found.warnings.join('\n'), /1 photo lies on both sides of the given split.*#0 \(train\), #1 \(test\)/)
})

test('the index finds every pair that comparing all pairs finds', async () => {
  const random = new Random(3)
  const samples: { source: Uint8Array; label: number }[] = []
  for (let i = 0; i < 60; i++) {
    const photo = testPhoto(40, 40, i % 20, 10 + random.uniform(0, 20))
    samples.push({ source: await encodeJpeg(photo, 60 + (i % 40)), label: 0 })
  }
  const data = datasetOf(samples)
  const scan = await scanPhotos(data.samples)
  const { groupOf } = findDuplicates(data, scan)
  const far = (i: number, j: number) =>
    popCount(scan.hashes[2 * i]! ^ scan.hashes[2 * j]!) + popCount(scan.hashes[2 * i + 1]! ^ scan.hashes[2 * j + 1]!)
  const { sameThumb, THUMB_BYTES } = await import('#graft/data/perceptualHash.js')
  const thumb = (i: number) => scan.thumbs.subarray(i * THUMB_BYTES, (i + 1) * THUMB_BYTES)
  let pairs = 0
  for (let i = 0; i < 60; i++)
    for (let j = 0; j < i; j++)
      if (far(i, j) <= 7 && sameThumb(thumb(i), thumb(j))) {
        pairs++
        assert.equal(groupOf[i], groupOf[j], `${i} and ${j}`)
      }
  assert.ok(pairs >= 40, `only ${pairs} pairs to find`)
})

test('the hash counts bits', () => {
  assert.deepEqual([0, 1, 0xffffffff, 0x80000001, 0x0f0f0f0f].map(popCount), [0, 1, 32, 2, 16])
  const grey = new Uint8Array(32 * 32).map((_, i) => (i * 37) % 251)
  const [high, low] = perceptualHash(grey)
  assert.equal(popCount(high) + popCount(low), 32)
})

test('photos that cannot be decoded are set aside by the scan', async () => {
  const data = datasetOf([
    { source: await jpegOf(1), label: 0 },
    { source: FOREIGN.heic, label: 1 },
    { source: await jpegOf(2), label: 1 },
  ])
  const done: number[] = []
  const scan = await scanPhotos(data.samples, { onProgress: (count) => done.push(count) })
  assert.deepEqual(done, [1, 2, 3])
  const cleaned = withoutUnreadable(data, scan)
  assert.deepEqual(
    cleaned.dataset.samples.map((sample) => sample.id),
    ['#0', '#2'],
  )
  assert.match(cleaned.dataset.skipped[0]!.reason, /^HEIC .*\. Convert it/)
  const rescanned = await scanPhotos(cleaned.dataset.samples)
  assert.deepEqual({ ...cleaned.scan }, { ...rescanned })
  await assert.rejects(scanPhotos(data.samples, { strict: true }), /#1: HEIC/)
})

const share = fc.constantFrom(0, 0.1, 0.2, 0.33)
test('a split keeps groups together, fills every part by class, and always trains', () => {
  const photo = fc.record({ label: fc.integer({ min: 0, max: 4 }), group: fc.integer({ min: 0, max: 60 }) })
  fc.assert(
    fc.property(
      fc.array(photo, { minLength: 1, maxLength: 120 }),
      share,
      share,
      fc.nat(1000),
      (photos, validation, testShare, seed) => {
        const labels = photos.map(({ group }) => group % 5)
        const groups = photos.map(({ group }) => group)
        const split = () => splitPhotos({ labels, groups, validation, test: testShare, random: new Random(seed) })
        const { train, validation: held, test: tested } = split()
        assert.deepEqual(split(), { train, validation: held, test: tested })
        assert.deepEqual(
          [...train, ...held, ...tested].sort((a, b) => a - b),
          photos.map((_, i) => i),
        )
        const part = new Map<number, Split>()
        for (const [name, positions] of [
          ['train', train],
          ['validation', held],
          ['test', tested],
        ] as const)
          for (const i of positions) {
            assert.ok((part.get(groups[i]!) ?? name) === name, `group ${groups[i]} straddles`)
            part.set(groups[i]!, name)
          }
        for (let label = 0; label < 5; label++) {
          const n = new Set(groups.filter((_, i) => labels[i] === label)).size
          const count = (positions: Int32Array) =>
            new Set([...positions].filter((i) => labels[i] === label).map((i) => groups[i])).size
          if (n > 0) assert.ok(count(train) >= 1, 'every class trains')
          if (n >= 2 && validation > 0) assert.ok(count(held) >= 1, 'two and more are measured')
          if (n >= 3 && testShare > 0) assert.ok(count(tested) >= 1, 'three and more are tested')
          if (validation === 0) assert.equal(count(held), 0)
          if (n >= 5)
            assert.ok(Math.abs(count(held) - Math.max(validation > 0 ? 1 : 0, Math.round(n * validation))) <= 0)
        }
      },
    ),
    { numRuns: 200 },
  )
})

test('a given split is kept and only training photos are divided', () => {
  const given: Split[] = ['train', 'train', 'train', 'train', 'test', 'test']
  const labels = [0, 0, 1, 1, 0, 1]
  const split = splitPhotos({ labels, given, validation: 0.5, test: 0.3, random: new Random(1) })
  assert.deepEqual([...split.test], [4, 5])
  assert.deepEqual([split.train.length, split.validation.length], [2, 2])
  // A copy of a test photo stays in training: it is reported as a leak, not moved.
  const groups = [4, 1, 2, 3, 4, 5]
  for (let seed = 0; seed < 10; seed++)
    assert.ok(
      splitPhotos({ labels, given, groups, validation: 0.5, test: 0, random: new Random(seed) }).train.includes(0),
    )
  const full = splitPhotos({
    labels: [0, 0],
    given: ['train', 'validation'],
    validation: 0.5,
    test: 0,
    random: new Random(1),
  })
  assert.deepEqual([full.train.length, full.validation.length, full.test.length], [1, 1, 0])
})

test('the seed decides the split', () => {
  const labels = new Int32Array(100).map((_, i) => i % 3)
  const split = (seed: number) => [
    ...splitPhotos({ labels, validation: 0.2, test: 0.2, random: new Random(seed) }).validation,
  ]
  assert.deepEqual(split(1), split(1))
  assert.notDeepEqual(split(1), split(2))
  assert.throws(
    () => splitPhotos({ labels, validation: 0.6, test: 0.4, random: new Random(1) }),
    /leave nothing to train on/,
  )
  assert.throws(() => splitPhotos({ labels, validation: -1, test: 0, random: new Random(1) }), /expected a share/)
})

test('the fingerprint follows content, names and labels, not the place', async () => {
  const fingerprint = async (files: Record<string, number>) => {
    const root = temporaryFolder()
    for (const [name, seed] of Object.entries(files)) write(root, name, await jpegOf(seed))
    const data = await images(root)
    return datasetFingerprint(data, await scanPhotos(data.samples))
  }
  const base = await fingerprint({ 'a/1.jpg': 1, 'b/2.jpg': 2 })
  assert.equal(await fingerprint({ 'b/2.jpg': 2, 'a/1.jpg': 1 }), base)
  assert.notEqual(await fingerprint({ 'a/1.jpg': 1, 'b/2.jpg': 3 }), base)
  assert.notEqual(await fingerprint({ 'a/1.jpg': 1, 'c/2.jpg': 2 }), base)
  assert.notEqual(await fingerprint({ 'a/1.jpg': 1, 'b/3.jpg': 2 }), base)
  assert.match(base, /^[0-9a-f]{64}$/)
})
