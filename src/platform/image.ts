/** The image in memory that every platform decodes to. */

/** Interleaved RGB, (height, width, 3), 0 ... 255. */
export interface RgbImage {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** A part of an image in whole pixels. */
export interface Region {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

/** Filters that transformers.js knows; only Lanczos is antialiased where it shrinks an image. */
export type ResizeFilter = 'nearest' | 'bilinear' | 'bicubic' | 'lanczos'

/** How an image is decoded. */
export interface DecodeOptions {
  /** Images with more pixels are refused by their header, before any memory is taken. Default: 268,402,689 (16,383²). */
  readonly pixelLimit?: number | undefined
}
