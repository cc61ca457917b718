/**
 * Decoding, resizing and encoding with a browser's own canvas, by the same calls as transformers.js makes there, so that both
 * see the same pixels. A browser resizes in its own way, whatever filter is asked for: its pixels differ from Node's a little.
 */
import { GraftError, messageOf } from '../../base/errors.js'
import type { DecodeOptions, Region, ResizeFilter, RgbImage } from '../image.js'

export type { DecodeOptions, Region, ResizeFilter, RgbImage } from '../image.js'

export const DEFAULT_PIXEL_LIMIT = 0x3fff * 0x3fff

/**
 * The whole image, upright by its EXIF orientation, in sRGB with 8 bits a channel; alpha is dropped. Animations give their
 * first frame. Formats are those that the browser shows.
 *
 * @throws GraftError with the reason, without the file's name
 */
export async function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): Promise<RgbImage> {
  const bitmap = await open(bytes, options)
  try {
    return toRgb(drawn(bitmap, { width: bitmap.width, height: bitmap.height }))
  } finally {
    bitmap.close()
  }
}

/** Decodes and resizes; {@link decodeImage} and {@link resizeImage} in turn. */
export async function decodeResized(
  bytes: Uint8Array,
  target: (width: number, height: number) => { width: number; height: number },
  options: DecodeOptions = {},
): Promise<RgbImage> {
  const bitmap = await open(bytes, options)
  try {
    return toRgb(drawn(bitmap, target(bitmap.width, bitmap.height)))
  } finally {
    bitmap.close()
  }
}

/** A browser decodes in full, however coarse the need is. */
export async function decodeAtLeast(
  bytes: Uint8Array,
  _needed: (width: number, height: number) => number,
  options: DecodeOptions = {},
): Promise<RgbImage> {
  return decodeImage(bytes, options)
}

/** Resizes (a region of) an image. */
export async function resizeImage(
  image: RgbImage,
  size: { width: number; height: number },
  filter: ResizeFilter,
  region?: Region,
): Promise<RgbImage> {
  const from = region ?? { left: 0, top: 0, width: image.width, height: image.height }
  const same = from.width === size.width && from.height === size.height
  if (same && from.width === image.width && from.height === image.height) return image
  return toRgb(drawn(fromRgb(image), size, { from, smooth: filter !== 'nearest' }))
}

/** A small picture of the whole photo, squeezed to (size, size, 3): for comparing photos. */
export async function decodeSmall(bytes: Uint8Array, size: number, options: DecodeOptions = {}): Promise<RgbImage> {
  return decodeResized(bytes, () => ({ width: size, height: size }), options)
}

/** Gaussian blur with a deviation in pixels. */
export async function blurImage(image: RgbImage, deviation: number): Promise<RgbImage> {
  return toRgb(drawn(fromRgb(image), image, { blur: deviation }))
}

/** JPEG of quality 1 ... 100. */
export async function encodeJpeg(image: RgbImage, quality = 85): Promise<Uint8Array> {
  return encoded(fromRgb(image), 'image/jpeg', quality)
}

export async function encodePng(image: RgbImage): Promise<Uint8Array> {
  return encoded(fromRgb(image), 'image/png')
}

/** A JPEG thumbnail no larger than `edge` on either side, upright. */
export async function encodeThumbnail(
  bytes: Uint8Array,
  edge: number,
  quality = 75,
  options: DecodeOptions = {},
): Promise<Uint8Array> {
  const bitmap = await open(bytes, options)
  try {
    const scale = Math.min(1, edge / Math.max(bitmap.width, bitmap.height))
    const whole = (length: number) => Math.max(1, Math.round(length * scale))
    const size = { width: whole(bitmap.width), height: whole(bitmap.height) }
    return await encoded(drawn(bitmap, size, { background: '#ffffff' }), 'image/jpeg', quality)
  } finally {
    bitmap.close()
  }
}

async function open(bytes: Uint8Array, options: DecodeOptions): Promise<ImageBitmap> {
  if (bytes.length === 0) throw new GraftError('the file is empty (0 bytes)', { remedy: 'Remove it or copy it again.' })
  let bitmap: ImageBitmap
  try {
    bitmap = await createImageBitmap(new Blob([Uint8Array.from(bytes)]))
  } catch (error) {
    throw new GraftError(`the browser cannot decode it (${messageOf(error)})`, {
      remedy: 'It is damaged, or of a format that this browser does not show; save it as JPEG or PNG.',
      cause: error,
    })
  }
  const limit = options.pixelLimit ?? DEFAULT_PIXEL_LIMIT
  if (bitmap.width * bitmap.height <= limit) return bitmap
  const found = `${bitmap.width} x ${bitmap.height} pixels`
  bitmap.close()
  throw new GraftError(`is ${found}, more than the limit of ${limit}`, { remedy: 'Make it smaller.' })
}

interface Drawing {
  readonly from?: Region
  readonly smooth?: boolean
  readonly blur?: number
  readonly background?: string
}

function drawn(
  source: ImageBitmap | OffscreenCanvas,
  size: { width: number; height: number },
  { from, smooth = true, blur, background }: Drawing = {},
): OffscreenCanvas {
  const canvas = new OffscreenCanvas(size.width, size.height)
  const context = contextOf(canvas)
  context.imageSmoothingEnabled = smooth
  if (blur !== undefined) context.filter = `blur(${blur}px)`
  if (background !== undefined) {
    context.fillStyle = background
    context.fillRect(0, 0, size.width, size.height)
  }
  const { left, top, width, height } = from ?? { left: 0, top: 0, width: source.width, height: source.height }
  context.drawImage(source, left, top, width, height, 0, 0, size.width, size.height)
  return canvas
}

function contextOf(canvas: OffscreenCanvas): OffscreenCanvasRenderingContext2D {
  const context = canvas.getContext('2d', { willReadFrequently: true })
  if (context === null)
    throw new GraftError(`the browser gives no canvas of ${canvas.width} x ${canvas.height} pixels`, {
      remedy: 'Make the image smaller, or close other pages.',
    })
  return context
}

function toRgb(canvas: OffscreenCanvas): RgbImage {
  const { width, height } = canvas
  const { data: rgba } = contextOf(canvas).getImageData(0, 0, width, height)
  const data = new Uint8Array(width * height * 3)
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    data[to++] = rgba[from]!
    data[to++] = rgba[from + 1]!
    data[to++] = rgba[from + 2]!
  }
  return { width, height, data }
}

function fromRgb({ width, height, data }: RgbImage): OffscreenCanvas {
  const canvas = new OffscreenCanvas(width, height)
  const context = contextOf(canvas)
  const image = context.createImageData(width, height)
  for (let from = 0, to = 0; from < data.length; to += 4) {
    image.data[to] = data[from++]!
    image.data[to + 1] = data[from++]!
    image.data[to + 2] = data[from++]!
    image.data[to + 3] = 255
  }
  context.putImageData(image, 0, 0)
  return canvas
}

async function encoded(canvas: OffscreenCanvas, type: string, quality = 100): Promise<Uint8Array> {
  const blob = await canvas.convertToBlob({ type, quality: quality / 100 })
  return new Uint8Array(await blob.arrayBuffer())
}
