/**
 * From a photo to the network's input, exactly as transformers.js computes `pixel_values` in Node with the same
 * `preprocessor_config.json`. Training, evaluation, prediction and export all go through here.
 */
import {
  DEFAULT_PIXEL_LIMIT,
  type DecodeOptions,
  decodeImage,
  decodeResized,
  type ResizeFilter,
  type RgbImage,
  resizeImage,
  sha256,
} from '#platform'
import { GraftError, invariant } from '../base/errors.js'
import {
  type GeometryStep,
  type Preprocessing,
  type PreprocessorConfig,
  readPreprocessor,
  type Size,
} from './preprocessor.js'

export interface ImageTransform {
  /** The configuration as given, to be saved with the model. */
  readonly config: PreprocessorConfig
  /** Of the network's input. */
  readonly height: number
  readonly width: number
  /** The filter of every resize, which augmented crops use too. */
  readonly filter: ResizeFilter
  /** Names everything that decides the pixels: equal keys, equal pixels. For caches. */
  readonly key: string
  /** Decodes and fits to the network's size; large JPEGs pass through without lying in memory as a whole. */
  fromBytes(bytes: Uint8Array, options?: DecodeOptions): Promise<RgbImage>
  /** Fits a decoded photo to the network's size. */
  fromImage(image: RgbImage): Promise<RgbImage>
  /**
   * Pixel values of a fitted image, (3, height, width): `(value * scale - mean) / std` a channel, zero where it is padded.
   * Written to `into` from `offset` on where these are given.
   */
  normalise(image: RgbImage, into?: Float32Array, offset?: number): Float32Array
}

/** @throws GraftError naming the entry of the configuration that is wrong or not supported. */
export function imageTransform(config: PreprocessorConfig, where?: string): ImageTransform {
  const plan = readPreprocessor(config, where)
  const { height, width } = plan.size
  const table = valueTable(plan)
  const first = plan.steps[0]
  const fromImage = async (image: RgbImage, steps = plan.steps): Promise<RgbImage> => {
    let fitted = image
    for (const step of steps) fitted = await applyStep(fitted, step, plan.filter)
    return fitted
  }
  return {
    config,
    height,
    width,
    filter: plan.filter,
    key: sha256(JSON.stringify({ version: 1, config: sortedKeys(config) })).slice(0, 32),
    fromImage: (image) => fromImage(image),
    async fromBytes(bytes, options = {}) {
      if (first?.kind !== 'resize' || plan.filter !== 'lanczos') return fromImage(await decodeImage(bytes, options))
      const target = (fromWidth: number, fromHeight: number) => resizeTarget(first, fromWidth, fromHeight)
      return fromImage(await decodeResized(bytes, target, options), plan.steps.slice(1))
    },
    normalise(image, into = new Float32Array(3 * height * width), offset = 0) {
      const fits = plan.pad
        ? image.width <= width && image.height <= height
        : image.width === width && image.height === height
      invariant(fits, `an image of ${image.width} x ${image.height} came to a network of ${width} x ${height}`)
      writePlanes(image, table, plan, into, offset)
      return into
    },
  }
}

/** The network's input for one decoded photo, (3, height, width). */
export async function pixelValues(transform: ImageTransform, image: RgbImage): Promise<Float32Array> {
  return transform.normalise(await transform.fromImage(image))
}

async function applyStep(image: RgbImage, step: GeometryStep, filter: ResizeFilter): Promise<RgbImage> {
  if (step.kind === 'centre-crop') return centreCrop(image, step.size)
  return resizeImage(image, resizeTarget(step, image.width, image.height), filter)
}

/** A sliver of a photo, enlarged until its short edge fits, would take all memory. */
function resizeTarget(step: GeometryStep & { kind: 'resize' }, width: number, height: number): Size {
  const target = step.target(width, height)
  if (target.width < 1 || target.height < 1 || target.width * target.height > DEFAULT_PIXEL_LIMIT)
    throw new GraftError(
      `is ${width} x ${height} pixels, too narrow to be resized (${target.width} x ${target.height})`,
      {
        remedy: 'Crop it to a less extreme shape, or remove it.',
      },
    )
  return target
}

/** Crops around the centre; where the image is smaller it is padded with black. Offsets are rounded as transformers.js rounds. */
export function centreCrop(image: RgbImage, size: Size): RgbImage {
  if (image.width === size.width && image.height === size.height) return image
  const across = span(image.width, size.width)
  const down = span(image.height, size.height)
  const data = new Uint8Array(size.width * size.height * 3)
  for (let y = 0; y < down.length; y++) {
    const from = ((down.from + y) * image.width + across.from) * 3
    const to = ((down.to + y) * size.width + across.to) * 3
    data.set(image.data.subarray(from, from + across.length * 3), to)
  }
  return { width: size.width, height: size.height, data }
}

/** Which part of an edge is kept and where it comes to lie. */
function span(edge: number, wanted: number): { from: number; to: number; length: number } {
  const offset = (edge - wanted) / 2
  if (offset >= 0) return { from: Math.floor(offset), to: 0, length: wanted }
  return { from: 0, to: Math.floor(-offset), length: edge }
}

/** Pixel value for each channel of the network's input and each byte, (3, 256); rounded to float32 where transformers.js rounds. */
function valueTable(plan: Preprocessing): Float32Array {
  const table = new Float32Array(3 * 256)
  for (let channel = 0; channel < 3; channel++)
    for (let byte = 0; byte < 256; byte++) {
      const scaled = plan.scale === undefined ? byte : Math.fround(plan.scale * byte)
      const normal = plan.mean && plan.std ? (scaled - plan.mean[channel]!) / plan.std[channel]! : scaled
      table[channel * 256 + byte] = normal
    }
  return table
}

function writePlanes(
  image: RgbImage,
  table: Float32Array,
  plan: Preprocessing,
  into: Float32Array,
  offset: number,
): void {
  const { height, width } = plan.size
  const plane = height * width
  const { data } = image
  if (plan.pad) into.fill(0, offset, offset + 3 * plane)
  for (let y = 0; y < image.height; y++) {
    let from = y * image.width * 3
    const start = offset + y * width
    for (let channel = 0; channel < 3; channel++) {
      // The means belong to the channels as they were; the order is turned afterwards.
      const to = start + (plan.bgr ? 2 - channel : channel) * plane
      const values = channel * 256
      for (let x = 0, at = from; x < image.width; x++, at += 3) into[to + x] = table[values + data[at]!]!
      from++
    }
  }
}

function sortedKeys(config: PreprocessorConfig): [string, unknown][] {
  return Object.entries(config).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}
