/** From a sample to its bytes and its pixels, with errors that name the photo. */
import { type DecodeOptions, decodeImage, type RgbImage, readFileBytes } from '#platform'
import { GraftError, messageOf } from '../base/errors.js'
import { SNIFF_BYTES, sniff } from './sniff.js'

/** What {@link loadImage} needs of a sample. */
export interface Loadable {
  readonly id: string
  readonly source: string | Uint8Array
}

/** The encoded photo. */
export async function loadBytes(sample: Loadable): Promise<Uint8Array> {
  return typeof sample.source === 'string' ? readFileBytes(sample.source) : sample.source
}

/** The decoded photo, upright, RGB. @throws GraftError naming the photo, what is wrong with it, and the remedy. */
export async function loadImage(sample: Loadable, options: DecodeOptions = {}): Promise<RgbImage> {
  return decodeNamed(sample, (bytes) => decodeImage(bytes, options))
}

/** Loads a photo's bytes and decodes them in any way; failures name the photo. */
export async function decodeNamed<T>(sample: Loadable, decode: (bytes: Uint8Array) => Promise<T>): Promise<T> {
  const bytes = await loadBytes(sample)
  try {
    return await decode(bytes)
  } catch (error) {
    throw namedError(sample.id, bytes, error)
  }
}

/** The error of a photo that cannot be decoded; says HEIC, BMP and the like by name. */
function namedError(id: string, bytes: Uint8Array, cause: unknown): GraftError {
  const found = sniff(bytes.subarray(0, SNIFF_BYTES), bytes.length, id)
  if (found.format === undefined) {
    const remedy = found.remedy ?? 'Remove it or replace it by a JPEG or PNG.'
    return new GraftError(`${id}: ${found.reason}`, { remedy: sentence(remedy), cause })
  }
  const remedy = cause instanceof GraftError ? cause.remedy : undefined
  return new GraftError(`${id}: ${messageOf(cause)}`, { ...(remedy === undefined ? {} : { remedy }), cause })
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`
}
