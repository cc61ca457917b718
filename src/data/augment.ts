/**
 * Augmentation as a value: what is drawn for each photo of each epoch. A photo is cropped at random and resized with the
 * transform's own filter to the network's size, changed there, and then normalised like any other.
 */
import { type DecodeOptions, decodeAtLeast, type Region, type RgbImage, resizeImage } from '#platform'
import { UsageError } from '../base/errors.js'
import type { Random } from '../base/random.js'
import { adjustColour, flipHorizontal } from './pixelOps.js'
import type { Size } from './preprocessor.js'
import { type RandAugmentOptions, randAugment } from './randAugment.js'
import type { ImageTransform } from './transform.js'

export interface AugmentPolicy {
  /** Random resized crop: share of the photo's area, and width / height. Undefined: the transform's own resize and crop. */
  readonly crop?: { readonly scale: readonly [number, number]; readonly ratio: readonly [number, number] }
  /** Probability of a horizontal flip. */
  readonly flip?: number
  /** Each factor is drawn from 1 - x ... 1 + x. */
  readonly jitter?: { readonly brightness: number; readonly contrast: number; readonly saturation: number }
  readonly randAugment?: RandAugmentOptions
  /** Mixing of photos within a batch; see {@link mixBatch}. */
  readonly mix?: MixOptions
}

/** Beta parameters of mixup and CutMix, 0 for none, and the share of batches that are mixed. */
export interface MixOptions {
  readonly mixup: number
  readonly cutMix: number
  readonly probability: number
}

export type AugmentChoice = 'off' | 'light' | 'strong' | AugmentPolicy

const RATIO = [3 / 4, 4 / 3] as const

/** `light` suits a few epochs on a few photos; `strong` suits longer training. */
export const AUGMENT_POLICIES: Readonly<Record<'off' | 'light' | 'strong', AugmentPolicy | undefined>> = {
  off: undefined,
  light: {
    crop: { scale: [0.5, 1], ratio: RATIO },
    flip: 0.5,
  },
  strong: {
    crop: { scale: [0.25, 1], ratio: RATIO },
    flip: 0.5,
    jitter: { brightness: 0.3, contrast: 0.3, saturation: 0.3 },
    randAugment: { operations: 2, magnitude: 9 },
    mix: { mixup: 0.2, cutMix: 1, probability: 0.5 },
  },
}

/** The policy of a name, or the given one checked; undefined for `off`. @throws UsageError */
export function augmentPolicy(choice: AugmentChoice): AugmentPolicy | undefined {
  if (typeof choice !== 'string') return checked(choice)
  if (Object.hasOwn(AUGMENT_POLICIES, choice)) return AUGMENT_POLICIES[choice]
  throw new UsageError(`augmentation is ${JSON.stringify(choice)}, expected off, light or strong`)
}

function checked(policy: AugmentPolicy): AugmentPolicy {
  const within = (name: string, values: readonly number[], low: number, high: number) => {
    if (values.some((value) => !(value >= low && value <= high)))
      throw new UsageError(`augmentation: ${name} is ${values.join(', ')}, expected numbers from ${low} to ${high}`)
  }
  const { crop, flip, jitter, mix, randAugment: drawn } = policy
  if (crop !== undefined) {
    within('crop.scale', crop.scale, 0.01, 1)
    within('crop.ratio', crop.ratio, 0.1, 10)
    if (crop.scale[0] > crop.scale[1] || crop.ratio[0] > crop.ratio[1])
      throw new UsageError('augmentation: crop ranges must go from the smaller to the larger number')
  }
  within('flip', [flip ?? 0], 0, 1)
  if (jitter !== undefined) within('jitter', [jitter.brightness, jitter.contrast, jitter.saturation], 0, 1)
  if (drawn !== undefined) {
    within('randAugment.operations', [drawn.operations], 0, 10)
    within('randAugment.magnitude', [drawn.magnitude], 0, 30)
  }
  if (mix !== undefined) {
    within('mix.mixup and mix.cutMix', [mix.mixup, mix.cutMix], 0, 10)
    within('mix.probability', [mix.probability], 0, 1)
  }
  return policy
}

/**
 * Decodes a photo as finely as its random crop needs and augments it: (height, width, 3) of the transform's size, ready for
 * `transform.normalise`. Equal generators give equal results.
 */
export async function augmentBytes(
  bytes: Uint8Array,
  transform: ImageTransform,
  policy: AugmentPolicy,
  random: Random,
  options: DecodeOptions = {},
): Promise<RgbImage> {
  const { crop } = policy
  if (crop === undefined) return augmentFitted(await transform.fromBytes(bytes, options), policy, random)
  let drawn: { region: Region; width: number; height: number } | undefined
  const draw = (width: number, height: number) => {
    drawn ??= { region: randomCrop({ width, height }, crop, random), width, height }
    return drawn
  }
  const image = await decodeAtLeast(
    bytes,
    (width, height) => {
      const { region } = draw(width, height)
      // Twice the network's size is left to the resize that follows, so that shrinking in the decoder hardly shows.
      return Math.max((2 * transform.width) / region.width, (2 * transform.height) / region.height)
    },
    options,
  )
  const { region, width, height } = draw(image.width, image.height)
  const scaled = scaleRegion(region, { width, height }, image)
  return augmentFitted(await resizeImage(image, transform, transform.filter, scaled), policy, random)
}

/** As {@link augmentBytes} for a decoded photo. */
export async function augmentImage(
  image: RgbImage,
  transform: ImageTransform,
  policy: AugmentPolicy,
  random: Random,
): Promise<RgbImage> {
  const fitted =
    policy.crop === undefined
      ? await transform.fromImage(image)
      : await resizeImage(image, transform, transform.filter, randomCrop(image, policy.crop, random))
  return augmentFitted(fitted, policy, random)
}

/** What comes after the crop, on an image of the network's size. */
function augmentFitted(image: RgbImage, policy: AugmentPolicy, random: Random): RgbImage {
  let changed = image
  if (random.uniform() < (policy.flip ?? 0)) changed = flipHorizontal(changed)
  if (policy.jitter !== undefined) {
    const { brightness, contrast, saturation } = policy.jitter
    const around = (spread: number) => random.uniform(1 - spread, 1 + spread)
    changed = adjustColour(changed, {
      brightness: around(brightness),
      contrast: around(contrast),
      saturation: around(saturation),
    })
  }
  return policy.randAugment === undefined ? changed : randAugment(changed, policy.randAugment, random)
}

/**
 * The region of Inception's random resized crop (Szegedy et al. 2015) as torchvision draws it: an area uniform in `scale`, a
 * ratio log-uniform in `ratio`, ten attempts, then the largest central region whose ratio is allowed.
 */
export function randomCrop(image: Size, crop: NonNullable<AugmentPolicy['crop']>, random: Random): Region {
  const { width, height } = image
  const [low, high] = crop.ratio
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * random.uniform(...crop.scale)
    const ratio = Math.exp(random.uniform(Math.log(low), Math.log(high)))
    const w = Math.round(Math.sqrt(area * ratio))
    const h = Math.round(Math.sqrt(area / ratio))
    if (w < 1 || h < 1 || w > width || h > height) continue
    return { left: random.integer(width - w + 1), top: random.integer(height - h + 1), width: w, height: h }
  }
  const ratio = Math.min(high, Math.max(low, width / height))
  const w = Math.max(1, Math.min(width, Math.round(height * ratio)))
  const h = Math.max(1, Math.min(height, Math.round(width / ratio)))
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h }
}

/** A region of the whole photo in an image that was decoded smaller. */
function scaleRegion(region: Region, whole: Size, image: Size): Region {
  if (whole.width === image.width && whole.height === image.height) return region
  const x = image.width / whole.width
  const y = image.height / whole.height
  const left = Math.min(image.width - 1, Math.floor(region.left * x))
  const top = Math.min(image.height - 1, Math.floor(region.top * y))
  const width = Math.max(1, Math.min(image.width - left, Math.round(region.width * x)))
  const height = Math.max(1, Math.min(image.height - top, Math.round(region.height * y)))
  return { left, top, width, height }
}
