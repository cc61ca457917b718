/**
 * Batches of pixels in a fixed order, with decoding ahead of whoever consumes them. Holds a few batches of decoded photos
 * and nothing else, whatever the size of the data set.
 */
import { cpuCount, type RgbImage } from '#platform'
import { GraftError } from '../base/errors.js'
import type { Random } from '../base/random.js'
import { type AugmentPolicy, augmentBytes } from './augment.js'
import { mapAhead } from './concurrent.js'
import { decodeNamed } from './load.js'
import type { ImageTransform } from './transform.js'
import type { ImageSample, PixelBatch } from './types.js'

export interface PixelBatchOptions {
  readonly samples: readonly ImageSample[]
  /** Indices into `samples`, in the order of use; may repeat. Default: every sample once. */
  readonly order?: ArrayLike<number> | undefined
  readonly transform: ImageTransform
  /** Photos in a batch; the last one may hold fewer. */
  readonly batchSize: number
  /** Needs `random`. Default: no augmentation. */
  readonly augment?: AugmentPolicy | undefined
  /** Every photo draws from `random.fork('photo', epoch, id, repetition)`, so what it draws depends on nothing else. */
  readonly random?: Random | undefined
  readonly epoch?: number | undefined
  /** Position in `order` to start at, for a resumed epoch. Default 0. */
  readonly start?: number | undefined
  /** Batches decoded ahead. Default 2. */
  readonly prefetch?: number | undefined
  /** A change of each fitted photo before it is normalised, such as a corruption; draws from the photo's generator. */
  readonly alter?: ((image: RgbImage, random: Random | undefined) => RgbImage | Promise<RgbImage>) | undefined
  /** Told of each photo that cannot be decoded and is left out. */
  readonly onSkip?: ((sample: ImageSample, error: GraftError) => void) | undefined
  /** Throw at the first photo that cannot be decoded. Default false. */
  readonly strict?: boolean | undefined
  readonly pixelLimit?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Yields the photos of `order`; those that cannot be decoded are left out and the next ones move up. */
export async function* pixelBatches(options: PixelBatchOptions): AsyncGenerator<PixelBatch> {
  const { transform, batchSize } = options
  const size = 3 * transform.height * transform.width
  let images: RgbImage[] = []
  let positions: number[] = []
  const assemble = (): PixelBatch => {
    const pixels = new Float32Array(images.length * size)
    for (const [i, image] of images.entries()) transform.normalise(image, pixels, i * size)
    const batch = { pixels, count: images.length, height: transform.height, width: transform.width }
    const found = { ...batch, positions: Int32Array.from(positions) }
    images = []
    positions = []
    return found
  }
  for await (const { position, sample, image } of fittedPhotos(options)) {
    if (image instanceof GraftError) {
      if (options.strict === true) throw image
      options.onSkip?.(sample, image)
      continue
    }
    images.push(image)
    positions.push(position)
    if (images.length === batchSize) yield assemble()
  }
  if (images.length > 0) yield assemble()
}

interface Fitted {
  readonly position: number
  readonly sample: ImageSample
  /** Of the network's size; or why there is none. */
  readonly image: RgbImage | GraftError
}

function fittedPhotos(options: PixelBatchOptions): AsyncGenerator<Fitted> {
  const { batchSize, prefetch = 2 } = options
  return mapAhead(requests(options), (request) => fit(request, options), {
    // Two more than there are processors, so that files are read while others are decoded.
    concurrency: cpuCount() + 2,
    ahead: Math.max(1, batchSize * prefetch),
    signal: options.signal,
  })
}

interface Request {
  readonly position: number
  readonly sample: ImageSample
  readonly repetition: number
}

function* requests(options: PixelBatchOptions): Generator<Request> {
  const { samples, order, start = 0 } = options
  const length = order?.length ?? samples.length
  const seen = new Map<number, number>()
  for (let position = 0; position < length; position++) {
    const index = order === undefined ? position : order[position]!
    const sample = samples[index]
    if (sample === undefined) throw new RangeError(`order holds ${index}, but there are ${samples.length} samples`)
    const repetition = seen.get(index) ?? 0
    if (order !== undefined) seen.set(index, repetition + 1)
    if (position >= start) yield { position, sample, repetition }
  }
}

async function fit({ position, sample, repetition }: Request, options: PixelBatchOptions): Promise<Fitted> {
  const { transform, augment, alter, epoch = 0 } = options
  const random = options.random?.fork('photo', epoch, sample.id, repetition)
  if (augment !== undefined && random === undefined) throw new TypeError('pixelBatches: augment needs random')
  const limit = { pixelLimit: options.pixelLimit }
  try {
    const fitted = await decodeNamed(sample, (bytes) =>
      augment !== undefined && random !== undefined
        ? augmentBytes(bytes, transform, augment, random, limit)
        : transform.fromBytes(bytes, limit),
    )
    return { position, sample, image: alter === undefined ? fitted : await alter(fitted, random) }
  } catch (error) {
    if (error instanceof GraftError) return { position, sample, image: error }
    throw error
  }
}
