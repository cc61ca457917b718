/** Damaged and random bytes: sniffing and decoding end in a photo or in an error for the user, never in anything else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GraftError } from '#graft/base/errors.js'
import { loadImage } from '#graft/data/load.js'
import { SNIFF_BYTES, sniff } from '#graft/data/sniff.js'
import { encodeJpeg, encodePng } from '#graft/platform/node.js'
import { testPhoto } from './photos.js'

const name = fc.constantFrom('a.jpg', 'a.svg', 'a', 'a.nef', 'a.ico', 'a.HEIC')

test('sniffing any bytes gives a verdict', () => {
  const starts = [
    '',
    'BM',
    'RIFF1234WEBP',
    '\0\0\0\x18ftyp',
    'ftyp',
    '\xff\xd8\xff',
    'II*\0',
    '<svg',
    '\0\0\x01\0',
  ].map((text) => Uint8Array.from(text, (c) => c.charCodeAt(0)))
  fc.assert(
    fc.property(fc.constantFrom(...starts), fc.uint8Array({ maxLength: SNIFF_BYTES }), name, (start, tail, file) => {
      const head = Uint8Array.from([...start, ...tail]).subarray(0, SNIFF_BYTES)
      const found = sniff(head, head.length, file)
      assert.ok(found.format !== undefined || found.reason.length > 0)
    }),
    { numRuns: 1000 },
  )
})

test('a photo with any damage decodes or is refused with a reason that names it', async () => {
  const whole = [await encodeJpeg(testPhoto(60, 40, 1)), await encodePng(testPhoto(60, 40, 2))]
  const cases = fc.tuple(
    fc.constantFrom(...whole),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
  )
  let refused = 0
  await fc.assert(
    fc.asyncProperty(cases, async ([photo, share, changes]) => {
      const bytes = photo.slice(0, Math.ceil(photo.length * Math.max(share, 0.01)))
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      try {
        const image = await loadImage({ id: 'photo 1.jpg', source: bytes }, { pixelLimit: 1e6 })
        assert.equal(image.data.length, image.width * image.height * 3)
      } catch (error) {
        refused++
        assert.ok(error instanceof GraftError, String(error))
        assert.match(error.message, /^photo 1\.jpg: ./)
        assert.ok(error.remedy !== undefined && error.remedy.length > 5)
      }
    }),
    { numRuns: 150 },
  )
  assert.ok(refused > 30, `only ${refused} were refused`)
})
