/**
 * Decoding, resizing and encoding in Node, by sharp. Decoding and resizing make the same calls as transformers.js does in
 * Node (`RawImage.read`, `RawImage.resize`), so that both see the same pixels; faster ways are taken only where they give
 * the same bytes, or where the pixels are augmented afterwards anyway.
 */
import sharp, { type Metadata, type Sharp } from 'sharp'
import { GraftError, messageOf } from '../../base/errors.js'
import type { DecodeOptions, Region, ResizeFilter, RgbImage } from '../image.js'

export type { DecodeOptions, Region, ResizeFilter, RgbImage } from '../image.js'

export const DEFAULT_PIXEL_LIMIT = 0x3fff * 0x3fff

/** Below this many bytes a file holds few enough pixels that reading its header first does not pay. */
const SMALL_FILE = 300_000
const LARGE_IMAGE = 2_000_000

interface Raw {
  readonly data: Uint8Array
  readonly width: number
  readonly height: number
  readonly channels: number
}

/**
 * The whole image, upright by its EXIF orientation, in sRGB with 8 bits a channel: grey becomes three equal channels,
 * CMYK is converted, alpha is dropped without blending. Animations and documents give their first frame or page.
 *
 * @throws GraftError with the reason (truncated, too large, no known format), without the file's name.
 */
export async function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): Promise<RgbImage> {
  return toRgb(await raw(open(bytes, options).rotate(), options))
}

/**
 * Decodes and resizes with Lanczos; the same bytes as {@link decodeImage} and {@link resizeImage} in turn. Large
 * photographs pass through in strips, without ever lying in memory as a whole.
 */
export async function decodeResized(
  bytes: Uint8Array,
  target: (width: number, height: number) => { width: number; height: number },
  options: DecodeOptions = {},
): Promise<RgbImage> {
  if (bytes.length >= SMALL_FILE) {
    const { width, height, plain } = await header(bytes, options)
    const size = target(width, height)
    const resizes = size.width !== width || size.height !== height
    if (plain && resizes && width * height > LARGE_IMAGE) {
      // An extraction of everything keeps the JPEG decoder from shrinking on its own, which would change the pixels.
      const whole = open(bytes, options).rotate().extract({ left: 0, top: 0, width, height })
      return toRgb(await raw(whole.resize({ ...size, fit: 'fill', kernel: 'lanczos3' }), options))
    }
  }
  const image = await decodeImage(bytes, options)
  return resizeImage(image, target(image.width, image.height), 'lanczos')
}

/**
 * Decodes only as finely as `needed` asks: a JPEG far larger than that is shrunk by its decoder, which saves most of
 * the time. For pixels that are augmented, not for those that have to equal another program's.
 */
export async function decodeAtLeast(
  bytes: Uint8Array,
  needed: (width: number, height: number) => number,
  options: DecodeOptions = {},
): Promise<RgbImage> {
  if (bytes.length >= SMALL_FILE) {
    const { width, height, plain } = await header(bytes, options)
    const scale = needed(width, height)
    if (plain && scale <= 0.5) {
      const size = { width: Math.ceil(width * scale), height: Math.ceil(height * scale) }
      return toRgb(
        await raw(
          open(bytes, options)
            .rotate()
            .resize({ ...size, fit: 'fill', kernel: 'lanczos3' }),
          options,
        ),
      )
    }
  }
  return decodeImage(bytes, options)
}

/**
 * Resizes (a region of) an image as transformers.js does in Node: Lanczos by convolution; nearest, bilinear and bicubic by
 * an affine transformation without antialiasing.
 */
export async function resizeImage(
  image: RgbImage,
  size: { width: number; height: number },
  filter: ResizeFilter,
  region?: Region,
): Promise<RgbImage> {
  const from = region ?? { left: 0, top: 0, width: image.width, height: image.height }
  const same = from.width === size.width && from.height === size.height
  if (same && from.width === image.width && from.height === image.height) return image
  let pipeline = fromRgb(image)
  if (region !== undefined) pipeline = pipeline.extract({ ...region })
  if (same) return toRgb(await raw(pipeline))
  if (filter === 'lanczos') return toRgb(await raw(pipeline.resize({ ...size, fit: 'fill', kernel: 'lanczos3' })))
  const matrix: [number, number, number, number] = [size.width / from.width, 0, 0, size.height / from.height]
  return toRgb(await raw(pipeline.affine(matrix, { interpolator: filter })))
}

/** A small picture of the whole photo, squeezed to (size, size, 3), quick to make: for comparing photos. */
export async function decodeSmall(bytes: Uint8Array, size: number, options: DecodeOptions = {}): Promise<RgbImage> {
  const upright = open(bytes, options).rotate().flatten()
  return toRgb(await raw(upright.resize({ width: size, height: size, fit: 'fill', kernel: 'cubic' }), options))
}

/** Gaussian blur with a deviation in pixels. */
export async function blurImage(image: RgbImage, deviation: number): Promise<RgbImage> {
  return toRgb(await raw(fromRgb(image).blur(deviation)))
}

/** JPEG of quality 1 ... 100. */
export async function encodeJpeg(image: RgbImage, quality = 85): Promise<Uint8Array> {
  return fromRgb(image).jpeg({ quality }).toBuffer()
}

export async function encodePng(image: RgbImage): Promise<Uint8Array> {
  return fromRgb(image).png().toBuffer()
}

/** A JPEG thumbnail no larger than `edge` on either side, upright. */
export async function encodeThumbnail(
  bytes: Uint8Array,
  edge: number,
  quality = 75,
  options: DecodeOptions = {},
): Promise<Uint8Array> {
  const small = open(bytes, options)
    .rotate()
    .resize({ width: edge, height: edge, fit: 'inside', withoutEnlargement: true })
  return small
    .flatten({ background: '#ffffff' })
    .jpeg({ quality })
    .toBuffer()
    .catch((error: unknown) => {
      throw decodeError(error, options)
    })
}

/** Width and height as seen upright, and whether it is a JPEG of three channels, whose pixels need no conversion. */
async function header(bytes: Uint8Array, options: DecodeOptions) {
  let found: Metadata
  try {
    found = await open(bytes, options).metadata()
  } catch (error) {
    throw decodeError(error, options)
  }
  const { width, height } = found.autoOrient
  return { width, height, plain: found.format === 'jpeg' && found.channels === 3 }
}

function open(bytes: Uint8Array, options: DecodeOptions): Sharp {
  if (bytes.length === 0) throw new GraftError('the file is empty (0 bytes)', { remedy: 'Remove it or copy it again.' })
  return sharp(bytes, { limitInputPixels: options.pixelLimit ?? DEFAULT_PIXEL_LIMIT })
}

function fromRgb(image: RgbImage): Sharp {
  return sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } })
}

async function raw(pipeline: Sharp, options: DecodeOptions = {}): Promise<Raw> {
  try {
    const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true })
    const view = new Uint8Array(data.buffer, data.byteOffset, data.length)
    return { data: view, width: info.width, height: info.height, channels: info.channels }
  } catch (error) {
    throw decodeError(error, options)
  }
}

function toRgb({ data, width, height, channels }: Raw): RgbImage {
  if (channels === 3) return { data, width, height }
  const rgb = new Uint8Array(width * height * 3)
  const colour = channels >= 3
  for (let i = 0, from = 0, to = 0; i < width * height; i++, from += channels, to += 3) {
    rgb[to] = data[from]!
    rgb[to + 1] = data[colour ? from + 1 : from]!
    rgb[to + 2] = data[colour ? from + 2 : from]!
  }
  return { data: rgb, width, height }
}

function decodeError(cause: unknown, options: DecodeOptions): GraftError {
  if (cause instanceof GraftError) return cause
  const message = messageOf(cause).trim()
  if (/exceeds pixel limit/.test(message)) {
    const limit = options.pixelLimit ?? DEFAULT_PIXEL_LIMIT
    return new GraftError(`larger than the limit of ${Math.round(limit / 1e6)} million pixels`, {
      remedy: 'Make it smaller.',
      cause,
    })
  }
  if (
    /premature end|truncat|unexpected end|not enough|end of (file|stream|input)|not terminated|incomplete/i.test(
      message,
    )
  ) {
    return new GraftError('the file is truncated: the image ends before its last row', {
      remedy: 'Copy it again from where it came.',
      cause,
    })
  }
  if (/unsupported image format/.test(message))
    return new GraftError('is not an image in a format that can be read', {
      remedy: 'Convert it to JPEG or PNG, or remove it.',
      cause,
    })
  return new GraftError(`cannot be decoded (${message.split('\n')[0]})`, {
    remedy: 'Save it again as JPEG or PNG, or remove it.',
    cause,
  })
}
