/** The transform against transformers.js in Node: the same file gives the same `pixel_values`, bit for bit. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import * as transformers from '@huggingface/transformers'
import sharp from 'sharp'
import { type PreprocessorConfig, preprocessorFromFlags } from '#graft/data/preprocessor.js'
import { centreCrop, imageTransform, pixelValues } from '#graft/data/transform.js'
import { decodeImage, encodeJpeg } from '#graft/platform/node.js'
import { largePhoto, testPhoto } from './photos.js'

const { AutoImageProcessor, RawImage } = transformers
const folder = mkdtempSync(join(tmpdir(), 'graft-transform-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const efficientNet: PreprocessorConfig = {
  image_processor_type: 'EfficientNetImageProcessor',
  do_resize: true,
  size: { shortest_edge: 256 },
  resample: 1,
  do_center_crop: true,
  crop_size: { height: 224, width: 224 },
  do_rescale: true,
  rescale_factor: 0.00392156862745098,
  do_normalize: true,
  image_mean: [0.4980392156862745, 0.4980392156862745, 0.4980392156862745],
  image_std: [0.5019607843137255, 0.5019607843137255, 0.5019607843137255],
  include_top: false,
}
const imageNet = { do_normalize: true, image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] }
const configs: Record<string, PreprocessorConfig> = {
  efficientNet,
  'EfficientNet with squared deviation': { ...efficientNet, include_top: true, resample: 2 },
  'ViT: height and width, bilinear': {
    image_processor_type: 'ViTFeatureExtractor',
    size: { height: 224, width: 224 },
    resample: 2,
    do_normalize: true,
    image_mean: 0.5,
    image_std: 0.5,
  },
  'ResNet: crop_pct, bicubic': {
    feature_extractor_type: 'ConvNextFeatureExtractor',
    size: { shortest_edge: 224 },
    crop_pct: 0.875,
    resample: 3,
    ...imageNet,
  },
  'ConvNeXt 384: warped': {
    image_processor_type: 'ConvNextImageProcessor',
    size: { shortest_edge: 384 },
    resample: 1,
    ...imageNet,
  },
  'a whole number, nearest, cropped': {
    do_resize: true,
    size: 200,
    max_size: 900,
    resample: 0,
    do_center_crop: true,
    crop_size: 180,
    ...imageNet,
  },
  'crop larger than the photo': {
    do_resize: false,
    do_center_crop: true,
    crop_size: { height: 640, width: 700 },
    ...imageNet,
  },
  'padded, not normalised': {
    size: { longest_edge: 200 },
    do_pad: true,
    pad_size: { height: 224, width: 240 },
    resample: 1,
  },
  'thumbnail and blue first': {
    image_processor_type: 'MobileViTImageProcessor',
    size: { height: 160, width: 120 },
    do_thumbnail: true,
    do_pad: true,
    do_flip_channel_order: true,
    resample: 2,
  },
  'multiples of 32': {
    do_resize: true,
    size: { shortest_edge: 250 },
    size_divisor: 32,
    resample: 1,
    do_center_crop: true,
    crop_size: 224,
    ...imageNet,
  },
  'no rescaling': { size: { height: 64, width: 64 }, do_rescale: false, resample: 1 },
  'from flags': preprocessorFromFlags({ mean: [0.4], std: [0.3, 0.2, 0.25], size: 112 }),
}

async function theirs(config: PreprocessorConfig, bytes: Uint8Array) {
  const dir = mkdtempSync(join(folder, 'p-'))
  writeFileSync(join(dir, 'preprocessor_config.json'), JSON.stringify(config))
  const processor = await AutoImageProcessor.from_pretrained(dir)
  const image = await RawImage.fromBlob(new Blob([bytes as Uint8Array<ArrayBuffer>]))
  const { pixel_values } = (await processor(image)) as { pixel_values: { data: Float32Array; dims: number[] } }
  return pixel_values
}

function assertEqualBits(ours: Float32Array, reference: Float32Array, what: string): void {
  assert.equal(ours.length, reference.length, `${what}: length`)
  for (let i = 0; i < ours.length; i++)
    if (ours[i] !== reference[i]) assert.fail(`${what}: value ${i} is ${ours[i]}, transformers.js has ${reference[i]}`)
}

async function compare(config: PreprocessorConfig, bytes: Uint8Array, what: string): Promise<void> {
  const transform = imageTransform(config)
  const reference = await theirs(config, bytes)
  assert.deepEqual(reference.dims, [1, 3, transform.height, transform.width], what)
  assertEqualBits(await pixelValues(transform, await decodeImage(bytes)), reference.data, what)
  assertEqualBits(transform.normalise(await transform.fromBytes(bytes)), reference.data, `${what}, from bytes`)
}

const shapes = [
  [400, 533],
  [533, 400],
  [640, 200],
] as const

for (const [name, config] of Object.entries(configs))
  test(`equals transformers.js: ${name}`, async () => {
    for (const [width, height] of shapes) {
      const jpeg = await encodeJpeg(testPhoto(width, height, width), 90)
      if (name === 'thumbnail and blue first' && width > height) continue
      await compare(config, jpeg, `${name}, ${width} x ${height}`)
    }
  })

test('equals transformers.js on every kind of file', async () => {
  const photo = testPhoto(300, 260, 5)
  const image = () => sharp(photo.data, { raw: { width: photo.width, height: photo.height, channels: 3 } })
  const files: Record<string, Promise<Buffer>> = {
    png: image().png().toBuffer(),
    'png of 16 bits': image().toColourspace('rgb16').png().toBuffer(),
    'png with alpha': image().ensureAlpha(0.4).png().toBuffer(),
    'grey jpeg': image().toColourspace('b-w').jpeg().toBuffer(),
    'grey png of 16 bits': image().toColourspace('grey16').png().toBuffer(),
    palette: image().png({ palette: true, colours: 16 }).toBuffer(),
    'cmyk jpeg': image().toColourspace('cmyk').jpeg().toBuffer(),
    'jpeg with the P3 profile': image().withIccProfile('p3').jpeg().toBuffer(),
    webp: image().webp().toBuffer(),
    'webp with alpha': image().ensureAlpha(0.7).webp().toBuffer(),
    avif: image().avif({ effort: 0 }).toBuffer(),
    gif: image().gif().toBuffer(),
    tiff: image().tiff({ compression: 'lzw' }).toBuffer(),
    'cmyk tiff': image().toColourspace('cmyk').tiff({ compression: 'none' }).toBuffer(),
  }
  for (let orientation = 1; orientation <= 8; orientation++)
    files[`exif orientation ${orientation}`] = image().withMetadata({ orientation }).jpeg().toBuffer()
  for (const [name, file] of Object.entries(files)) await compare(efficientNet, await file, name)
})

test('grey with alpha, which transformers.js refuses, is read as grey', async () => {
  const photo = testPhoto(40, 30, 5)
  const grey = sharp(photo.data, { raw: { width: 40, height: 30, channels: 3 } }).toColourspace('b-w')
  const plain = await decodeImage(await grey.clone().png().toBuffer())
  const bytes = await grey.clone().ensureAlpha(0.5).png().toBuffer()
  await assert.rejects(RawImage.fromBlob(new Blob([bytes as Uint8Array<ArrayBuffer>])))
  assert.deepEqual(await decodeImage(bytes), plain)
})

test('a crop that is larger on one side only, on which transformers.js fails, is padded there and cropped here', () => {
  const photo = testPhoto(30, 100, 2)
  const cropped = centreCrop(photo, { width: 51, height: 60 })
  for (let y = 0; y < 60; y++)
    for (let x = 0; x < 51; x++)
      for (let c = 0; c < 3; c++) {
        const inside = x >= 10 && x < 40
        const expected = inside ? photo.data[((y + 20) * 30 + x - 10) * 3 + c] : 0
        assert.equal(cropped.data[(y * 51 + x) * 3 + c], expected, `${x}, ${y}`)
      }
})

test('a large photo is decoded in strips to the same pixels', async () => {
  const photo = await largePhoto(2000, 1600, 9)
  const image = sharp(photo.data, { raw: { width: photo.width, height: photo.height, channels: 3 } })
  const upright = await image.clone().jpeg({ quality: 97 }).toBuffer()
  const turned = await image.clone().withMetadata({ orientation: 6 }).jpeg({ quality: 97 }).toBuffer()
  const profile = await image.clone().withIccProfile('p3').jpeg({ quality: 97 }).toBuffer()
  assert.ok(upright.length > 300_000, `the test needs a large file, has ${upright.length} bytes`)
  for (const bytes of [upright, turned, profile]) await compare(efficientNet, bytes, 'large')
})

const shared = '../shared/data/clothing/test'
test('equals transformers.js on real photos', {
  skip: existsSync(shared) ? false : 'no ../shared/data/clothing',
}, async () => {
  const bundled = JSON.parse(
    readFileSync('../shared/models/efficientnet-lite0/preprocessor_config.json', 'utf8'),
  ) as PreprocessorConfig
  const files = readdirSync(shared).flatMap((label) =>
    readdirSync(join(shared, label))
      .slice(0, 2)
      .map((file) => join(shared, label, file)),
  )
  for (const file of files) await compare(bundled, readFileSync(file), file)
  const vit = configs['ViT: height and width, bilinear']!
  for (const file of files.slice(0, 5)) await compare(vit, readFileSync(file), file)
})

/** Pillow 13.0.0: `Image.fromarray(photo).resize((341, 256), LANCZOS)`, then the centre 224 x 224; y, x, red, green, blue. */
const pillow = [
  [0, 0, 107, 53, 108],
  [0, 223, 57, 93, 182],
  [223, 0, 78, 169, 165],
  [223, 223, 125, 135, 128],
  [112, 112, 126, 161, 81],
  [50, 170, 109, 147, 130],
  [170, 50, 62, 133, 106],
  [30, 30, 74, 53, 110],
  [200, 120, 80, 52, 169],
  [90, 10, 129, 119, 128],
] as const
const pillowMean = [93.10423, 117.0124, 130.28203] as const

test('Lanczos is within half a level of Pillow on average', async () => {
  const fitted = await imageTransform(efficientNet).fromImage(testPhoto(533, 400, 11))
  let sum = 0
  for (const [y, x, ...rgb] of pillow)
    for (const [c, value] of rgb.entries()) {
      const difference = Math.abs(fitted.data[(y * 224 + x) * 3 + c]! - value)
      assert.ok(difference <= 2, `${y}, ${x}, channel ${c} differs by ${difference}`)
      sum += difference
    }
  assert.ok(sum / (3 * pillow.length) <= 0.5, `differs by ${sum / (3 * pillow.length)} on average`)
  for (const [c, mean] of pillowMean.entries()) {
    const channel = fitted.data.filter((_, i) => i % 3 === c)
    const ours = channel.reduce((total, value) => total + value, 0) / channel.length
    assert.ok(Math.abs(ours - mean) < 0.2, `mean of channel ${c} is ${ours}, Pillow's ${mean}`)
  }
})

test('every processor of transformers.js with rules of its own is followed or refused', () => {
  const own = [
    'preprocess',
    '_call',
    'resize',
    'pad_image',
    'get_resize_output_image_size',
    'thumbnail',
    'rescale',
    'crop_margin',
  ]
  const base = transformers.ImageProcessor
  const followed = new Set(['ConvNextImageProcessor', 'ConvNextFeatureExtractor'])
  let special = 0
  for (const [name, value] of Object.entries(transformers)) {
    if (typeof value !== 'function' || !(value.prototype instanceof base) || followed.has(name)) continue
    const overrides = chain(value as typeof base, base).some((proto) =>
      own.some((method) => Object.hasOwn(proto, method)),
    )
    if (!overrides) continue
    special++
    assert.throws(() => imageTransform({ ...efficientNet, image_processor_type: name }), /not supported/, name)
  }
  assert.ok(special > 5, `only ${special} found`)
})

function chain(type: { prototype: object }, base: { prototype: object }): object[] {
  const found: object[] = []
  for (
    let proto: object | null = type.prototype;
    proto !== null && proto !== base.prototype;
    proto = Object.getPrototypeOf(proto) as object | null
  )
    found.push(proto)
  return found
}

test('what is not supported is refused by name', () => {
  const refused: [PreprocessorConfig, RegExp][] = [
    [{ ...efficientNet, do_crop_margin: true }, /do_crop_margin/],
    [{ ...efficientNet, keep_aspect_ratio: true }, /keep_aspect_ratio/],
    [{ ...efficientNet, resample: 9 }, /resample/],
    [{ ...efficientNet, image_mean: undefined }, /image_mean/],
    [{ ...efficientNet, image_std: [1, 0, 1] }, /image_std/],
    [{ ...efficientNet, image_std: [1, 1] }, /image_std/],
    [{ ...efficientNet, do_center_crop: false }, /different sizes/],
    [{ ...efficientNet, crop_size: { height: -1, width: 3 } }, /crop_size/],
    [{ ...efficientNet, size: { shortest_edge: 0.5 } }, /size/],
    [{ image_processor_type: 'ConvNextImageProcessor', size: 224 }, /shortest_edge/],
    [{ do_resize: true }, /size/],
  ]
  for (const [config, pattern] of refused)
    assert.throws(() => imageTransform(config, 'p.json'), { name: 'GraftError', message: pattern })
})

test('flags: units are checked and one number serves all channels', () => {
  assert.throws(() => preprocessorFromFlags({ mean: [127], std: [128], size: 224 }), /mean/)
  assert.throws(() => preprocessorFromFlags({ std: [0], size: 224 }), /std/)
  assert.throws(() => preprocessorFromFlags({ size: 224.5 }), /size/)
  assert.deepEqual(preprocessorFromFlags({ mean: [0.5], size: 224 }).image_mean, [0.5, 0.5, 0.5])
})

test('a sliver of a photo is refused instead of filling the memory', async () => {
  const sliver = testPhoto(6000, 1, 1)
  const transform = imageTransform(preprocessorFromFlags({ size: 1024 }))
  await assert.rejects(transform.fromImage(sliver), /too narrow/)
})

test('the key follows what decides the pixels', () => {
  const { size, ...rest } = efficientNet
  assert.equal(imageTransform({ size, ...rest }).key, imageTransform(efficientNet).key)
  assert.notEqual(imageTransform({ ...efficientNet, resample: 2 }).key, imageTransform(efficientNet).key)
})
