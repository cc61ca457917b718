/** What the data room hands to the others. */
import type { Random } from '../base/random.js'

export type Split = 'train' | 'validation' | 'test'

/** One photo before it is decoded. */
export interface ImageSample {
  /** Stable name: the path relative to the data set's root with `/` separators, or `#<index>` for one given as bytes. */
  readonly id: string
  readonly source: string | Uint8Array
  /** Index into `classes`; -1 where there is no label. */
  readonly label: number
  /** Set where the data says so (`train/`, `val/`, `test/` folders or a `split` column). */
  readonly split?: Split
}

/** A file that is not used, and why. */
export interface SkippedFile {
  readonly id: string
  readonly reason: string
}

export interface ImageDataset {
  readonly kind: 'images'
  /** The folder or file it came from; undefined for a list in memory. */
  readonly origin: string | undefined
  readonly classes: readonly string[]
  readonly samples: readonly ImageSample[]
  readonly skipped: readonly SkippedFile[]
  /** Sentences for a person: empty classes, leakage, imbalance. */
  readonly warnings: readonly string[]
}

/** An image in memory: interleaved RGB, (height, width, 3), 0 ... 255. */
export interface RgbImage {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** A batch of pixels ready for the network, (N, 3, height, width), normalised. */
export interface PixelBatch {
  readonly pixels: Float32Array
  /** The positions in the requested list that this batch holds, in order. */
  readonly positions: Int32Array
}

/** Changes a decoded photo before it is resized to the network's input; the identity is no augmentation. */
export type Augment = (image: RgbImage, size: { height: number; width: number }, random: Random) => Promise<RgbImage>
