/**
 * One look at every photo of a data set: its content hash, its perceptual hash, and whether it can be decoded. Everything
 * that needs all photos before training (duplicates, the split, the fingerprint, cache keys) starts from this.
 */
import { cpuCount, decodeSmall, sha256 } from '#platform'
import { GraftError } from '../base/errors.js'
import { mapAhead } from './concurrent.js'
import { decodeNamed } from './load.js'
import { GREY_EDGE, greyOf, perceptualHash, THUMB_BYTES, thumbOf } from './perceptualHash.js'
import type { ImageDataset, ImageSample, SkippedFile } from './types.js'

export interface ScanOptions {
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /** Throw at the first photo that cannot be decoded. Default false. */
  readonly strict?: boolean | undefined
  readonly pixelLimit?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What is known of the photos of one list, by their position in it. */
export interface PhotoScan {
  /** SHA-256 of the encoded photo; empty where it cannot be read. */
  readonly contents: readonly string[]
  /** Two halves of each perceptual hash, (2 N). */
  readonly hashes: Uint32Array
  /** Pictures that confirm a match, (N, THUMB_BYTES). */
  readonly thumbs: Uint8Array
  /** Photos that cannot be decoded. */
  readonly unreadable: readonly SkippedFile[]
}

/** Reads and decodes every photo once, at a small size. About a third of a kilobyte is kept of each. */
export async function scanPhotos(samples: readonly ImageSample[], options: ScanOptions = {}): Promise<PhotoScan> {
  const contents: string[] = []
  const hashes = new Uint32Array(2 * samples.length)
  const thumbs = new Uint8Array(THUMB_BYTES * samples.length)
  const unreadable: SkippedFile[] = []
  const ahead = { concurrency: cpuCount() + 2, signal: options.signal }
  for await (const look of mapAhead(samples, (sample) => lookAt(sample, options), ahead)) {
    const at = contents.length
    if (look instanceof GraftError) {
      if (options.strict === true) throw look
      unreadable.push({ id: samples[at]!.id, kind: 'unreadable', reason: reasonOf(look, samples[at]!.id) })
      contents.push('')
    } else {
      contents.push(look.content)
      hashes.set(look.hash, 2 * at)
      thumbs.set(look.thumb, THUMB_BYTES * at)
    }
    options.onProgress?.(at + 1, samples.length)
  }
  return { contents, hashes, thumbs, unreadable }
}

async function lookAt(sample: ImageSample, { pixelLimit }: ScanOptions) {
  try {
    return await decodeNamed(sample, async (bytes) => {
      const small = await decodeSmall(bytes, GREY_EDGE, { pixelLimit })
      const grey = greyOf(small)
      return { content: sha256(bytes), hash: perceptualHash(grey), thumb: thumbOf(small, grey) }
    })
  } catch (error) {
    if (error instanceof GraftError) return error
    throw error
  }
}

function reasonOf(error: GraftError, id: string): string {
  const reason = error.message.startsWith(`${id}: `) ? error.message.slice(id.length + 2) : error.message
  return error.remedy === undefined ? reason : `${reason}. ${error.remedy}`
}

/** The data set and its scan without the photos that cannot be decoded, which join its skipped files; `kept` are their old positions. */
export function withoutUnreadable(
  dataset: ImageDataset,
  scan: PhotoScan,
): { dataset: ImageDataset; scan: PhotoScan; kept: Int32Array } {
  if (scan.unreadable.length === 0)
    return { dataset, scan, kept: Int32Array.from({ length: dataset.samples.length }, (_, i) => i) }
  const kept = scan.contents.flatMap((content, i) => (content === '' ? [] : [i]))
  const hashes = new Uint32Array(2 * kept.length)
  const thumbs = new Uint8Array(THUMB_BYTES * kept.length)
  for (const [to, from] of kept.entries()) {
    hashes.set(scan.hashes.subarray(2 * from, 2 * from + 2), 2 * to)
    thumbs.set(scan.thumbs.subarray(THUMB_BYTES * from, THUMB_BYTES * (from + 1)), THUMB_BYTES * to)
  }
  return {
    dataset: {
      ...dataset,
      samples: kept.map((i) => dataset.samples[i]!),
      skipped: [...dataset.skipped, ...scan.unreadable],
    },
    scan: { contents: kept.map((i) => scan.contents[i]!), hashes, thumbs, unreadable: [] },
    kept: Int32Array.from(kept),
  }
}
