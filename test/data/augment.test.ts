/** Augmentation: equal keys give equal pixels, the operations do what they say, and all ends at the network's size. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '#graft/base/random.js'
import { AUGMENT_POLICIES, augmentBytes, augmentImage, augmentPolicy, randomCrop } from '#graft/data/augment.js'
import { adjustColour, flipHorizontal, meanGrey, sharpen, warp } from '#graft/data/pixelOps.js'
import { preprocessorFromFlags } from '#graft/data/preprocessor.js'
import { autoContrast, equalise, posterise, randAugment, solarise } from '#graft/data/randAugment.js'
import { imageTransform } from '#graft/data/transform.js'
import { decodeImage, encodeJpeg, type RgbImage } from '#graft/platform/node.js'
import { largePhoto, testPhoto } from './photos.js'

const transform = imageTransform(preprocessorFromFlags({ size: 64 }))

function difference(a: RgbImage, b: RgbImage): number {
  assert.deepEqual([a.width, a.height], [b.width, b.height])
  let sum = 0
  for (let i = 0; i < a.data.length; i++) sum += Math.abs(a.data[i]! - b.data[i]!)
  return sum / a.data.length
}

for (const name of ['light', 'strong'] as const)
  test(`${name}: the key decides, the size is the network's`, async () => {
    const policy = AUGMENT_POLICIES[name]!
    const bytes = await encodeJpeg(testPhoto(200, 150, 3))
    const once = await augmentBytes(bytes, transform, policy, new Random(1, 'a'))
    const again = await augmentBytes(bytes, transform, policy, new Random(1, 'a'))
    const other = await augmentBytes(bytes, transform, policy, new Random(1, 'b'))
    assert.deepEqual([once.width, once.height], [64, 64])
    assert.equal(difference(once, again), 0)
    assert.ok(difference(once, other) > 1)
    const decoded = await augmentImage(await decodeImage(bytes), transform, policy, new Random(1, 'a'))
    assert.equal(difference(once, decoded), 0)
  })

test('a photo that is decoded smaller gives nearly the same crop', async () => {
  const photo = await largePhoto(2400, 1800, 8)
  const bytes = await encodeJpeg(photo, 95)
  assert.ok(bytes.length > 300_000)
  const policy = { crop: { scale: [0.3, 1], ratio: [0.75, 4 / 3] } } as const
  for (let key = 0; key < 4; key++) {
    const quick = await augmentBytes(bytes, transform, policy, new Random(key))
    const exact = await augmentImage(photo, transform, policy, new Random(key))
    const other = await augmentImage(photo, transform, policy, new Random(key + 100))
    assert.ok(difference(quick, exact) < 4, `crop ${key} differs by ${difference(quick, exact)}`)
    assert.ok(difference(quick, other) > 8, `another crop differs by only ${difference(quick, other)}`)
  }
})

test('no augmentation is the transform itself', async () => {
  const bytes = await encodeJpeg(testPhoto(120, 90, 4))
  const plain = await transform.fromBytes(bytes)
  assert.equal(difference(await augmentBytes(bytes, transform, {}, new Random(1)), plain), 0)
  assert.equal(augmentPolicy('off'), undefined)
})

test('crops stay inside, keep to the ratio, and cover the wanted areas', () => {
  const crop = { scale: [0.2, 0.5], ratio: [3 / 4, 4 / 3] } as const
  const areas: number[] = []
  for (let key = 0; key < 500; key++) {
    const region = randomCrop({ width: 400, height: 300 }, crop, new Random(key))
    assert.ok(region.left >= 0 && region.top >= 0)
    assert.ok(region.left + region.width <= 400 && region.top + region.height <= 300)
    const ratio = region.width / region.height
    assert.ok(ratio > 0.74 && ratio < 1.35, `ratio ${ratio}`)
    areas.push((region.width * region.height) / 120_000)
  }
  const mean = areas.reduce((a, b) => a + b, 0) / areas.length
  assert.ok(Math.min(...areas) > 0.195 && Math.max(...areas) < 0.505 && Math.abs(mean - 0.35) < 0.02, `mean ${mean}`)
  // Where no attempt can fit, the central region of an allowed ratio is taken.
  const strip = randomCrop({ width: 1000, height: 10 }, { scale: [1, 1], ratio: [3 / 4, 4 / 3] }, new Random(1))
  assert.deepEqual(strip, { left: 493, top: 0, width: 13, height: 10 })
})

test('flip', () => {
  const image = { width: 3, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9) }
  assert.deepEqual([...flipHorizontal(image).data], [7, 8, 9, 4, 5, 6, 1, 2, 3])
})

test('brightness, contrast and saturation against their definitions', () => {
  const photo = testPhoto(20, 20, 1)
  const same = { brightness: 1, contrast: 1, saturation: 1 }
  assert.equal(difference(adjustColour(photo, same), photo), 0)
  const dark = adjustColour(photo, { ...same, brightness: 0.5 })
  assert.ok(dark.data.every((value, i) => Math.abs(value - photo.data[i]! / 2) <= 0.51))
  const flat = adjustColour(photo, { ...same, contrast: 0 })
  assert.ok(flat.data.every((value) => Math.abs(value - meanGrey(photo)) <= 1))
  const grey = adjustColour(photo, { ...same, saturation: 0 })
  for (let i = 0; i < grey.data.length; i += 3) {
    const luma = 0.299 * photo.data[i]! + 0.587 * photo.data[i + 1]! + 0.114 * photo.data[i + 2]!
    for (let c = 0; c < 3; c++) assert.ok(Math.abs(grey.data[i + c]! - luma) <= 0.51)
  }
})

test('operations of RandAugment', () => {
  const photo = testPhoto(30, 20, 2)
  assert.equal(difference(warp(photo, [1, 0, 0, 0, 1, 0]), photo), 0)
  // One pixel to the left: what comes in from outside is grey.
  const moved = warp(photo, [1, 0, 1, 0, 1, 0])
  assert.deepEqual([...moved.data.subarray(0, 3)], [...photo.data.subarray(3, 6)])
  assert.deepEqual([...moved.data.subarray(87, 90)], [128, 128, 128])
  assert.ok(posterise(photo, 4).data.every((value, i) => value === (photo.data[i]! & 0xf0)))
  assert.ok(
    solarise(photo, 128).data.every((v, i) => v === (photo.data[i]! >= 128 ? 255 - photo.data[i]! : photo.data[i])),
  )
  const stretched = autoContrast(photo).data
  for (let c = 0; c < 3; c++) {
    const channel = stretched.filter((_, i) => i % 3 === c)
    assert.deepEqual([Math.min(...channel), Math.max(...channel)], [0, 255])
  }
  const even = equalise(testPhoto(200, 200, 2)).data
  const low = even.filter((value) => value < 128).length / even.length
  assert.ok(Math.abs(low - 0.5) < 0.03, `half of the values lie below the middle, found ${low}`)
  assert.equal(difference(sharpen(photo, 1), photo), 0)
  const spread = (image: RgbImage) => difference(image, sharpen(image, 0))
  assert.ok(spread(sharpen(photo, 1.9)) > spread(photo))
  assert.equal(difference(randAugment(photo, { operations: 0, magnitude: 30 }, new Random(1)), photo), 0)
})

test('policies are checked', () => {
  assert.throws(() => augmentPolicy('medium' as 'light'), /expected off, light or strong/)
  assert.throws(() => augmentPolicy({ flip: 2 }), /flip is 2/)
  assert.throws(() => augmentPolicy({ crop: { scale: [0.9, 0.1], ratio: [1, 1] } }), /smaller to the larger/)
  assert.throws(() => augmentPolicy({ randAugment: { operations: 2, magnitude: 31 } }), /magnitude is 31/)
})
