/** What the data room hands to the others. */
import type { RgbImage } from '#platform'

export type { DecodeOptions, Region, ResizeFilter, RgbImage } from '#platform'

export type Split = 'train' | 'validation' | 'test'

/** One photo before it is decoded. */
export interface ImageSample {
  /** Stable and unique: the path relative to the data set's root with `/` separators, or `#<index>` for one given as bytes. */
  readonly id: string
  readonly source: string | Uint8Array
  /** Index into `classes`; -1 where there is no label. */
  readonly label: number
  /** Set where the data says so (`train/`, `val/`, `test/` folders or a `split` column). */
  readonly split?: Split
}

/**
 * Why a file is not used. `other-file` is no fault (a README beside the photos); everything else is refused by `strict`.
 * `unsupported`: an image in a format that is not read. `unreadable`: broken, empty, or no image although named like one.
 * `empty`: a text without a word. `malformed`: a row that is not shaped like the others.
 */
export type SkipKind =
  | 'other-file'
  | 'unsupported'
  | 'unreadable'
  | 'missing'
  | 'unlabelled'
  | 'repeated'
  | 'empty'
  | 'malformed'

/** A file that is not used, and why. */
export interface SkippedFile {
  readonly id: string
  readonly kind: SkipKind
  /** A phrase for a person, with the remedy where there is one. */
  readonly reason: string
}

export interface ImageDataset {
  readonly kind: 'images'
  /** The folder or file it came from; undefined for a list in memory. */
  readonly origin: string | undefined
  /** Names of the classes in the order of their labels; empty for unlabelled photos. */
  readonly classes: readonly string[]
  readonly samples: readonly ImageSample[]
  readonly skipped: readonly SkippedFile[]
  /** Sentences for a person: small classes, labels that look alike, imbalance. */
  readonly warnings: readonly string[]
}

/** A batch of pixels ready for the network. */
export interface PixelBatch {
  /** Normalised pixels, (N, 3, height, width). */
  readonly pixels: Float32Array
  readonly count: number
  readonly height: number
  readonly width: number
  /** For each photo of the batch its position in the requested order, ascending. */
  readonly positions: Int32Array
}

/** Changes an image of the network's size and keeps that size: a corruption, or a step of an augmentation. */
export type ImageOperation = (image: RgbImage) => RgbImage | Promise<RgbImage>
