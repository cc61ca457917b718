/**
 * Photos that occur more than once: exact copies by their content hash, near copies (resized, recompressed, a little
 * brighter) by their perceptual hash. Groups are used to keep copies on one side of a split and to warn of leakage.
 */
import { type Duplicates, find, gather, join } from './copies.js'
import { popCount, sameThumb, THUMB_BYTES } from './perceptualHash.js'
import type { PhotoScan } from './scan.js'
import type { ImageDataset } from './types.js'

/** Bits in which the hashes of near copies may differ: the most that the index below finds without fail. */
const NEAR_BITS = 7
/** Photos looked at in one bucket of the index: keeps thousands of alike pictures (digits, scans) from taking forever. */
const BUCKET_LIMIT = 128

/** Finds copies among the photos of a data set. Near linear in their number. */
export function findDuplicates(dataset: ImageDataset, scan: PhotoScan): Duplicates {
  const { samples } = dataset
  const parent = Int32Array.from({ length: samples.length }, (_, i) => i)
  const firsts = joinExact(scan.contents, parent)
  joinNear(scan, firsts, parent)
  return gather(parent, {
    one: 'photo',
    many: 'photos',
    same: (i, j) => scan.contents[i] === scan.contents[j],
    label: (i) => samples[i]!.label,
    labelName: (i) => dataset.classes[samples[i]!.label] ?? 'no label',
    split: (i) => samples[i]!.split,
    name: (i) => samples[i]!.id,
  })
}

/** Joins photos of equal content; returns the first of each. */
function joinExact(contents: readonly string[], parent: Int32Array): number[] {
  const first = new Map<string, number>()
  const firsts: number[] = []
  for (const [i, content] of contents.entries()) {
    if (content === '') continue
    const seen = first.get(content)
    if (seen !== undefined) join(parent, seen, i)
    else {
      first.set(content, i)
      firsts.push(i)
    }
  }
  return firsts
}

/**
 * Joins photos whose hashes differ in at most 7 of 64 bits. Multi-index hashing (Norouzi, Punjani and Fleet 2012): of four
 * bands of 16 bits at least one differs in at most one bit, so looking up each band and its 16 neighbours misses none.
 */
function joinNear(scan: PhotoScan, candidates: readonly number[], parent: Int32Array): void {
  const buckets = new Map<number, number[]>()
  const thumb = (i: number) => scan.thumbs.subarray(i * THUMB_BYTES, (i + 1) * THUMB_BYTES)
  for (const i of candidates) {
    const bands = bandsOf(scan.hashes, i)
    for (const [band, value] of bands.entries())
      for (let flip = -1; flip < 16; flip++) {
        const near = buckets.get(band * 65536 + (flip === -1 ? value : value ^ (1 << flip)))
        if (near === undefined) continue
        for (const j of near) {
          if (find(parent, i) === find(parent, j) || distance(scan.hashes, i, j) > NEAR_BITS) continue
          if (sameThumb(thumb(i), thumb(j))) join(parent, i, j)
        }
      }
    for (const [band, value] of bands.entries()) {
      const key = band * 65536 + value
      const bucket = buckets.get(key)
      if (bucket === undefined) buckets.set(key, [i])
      else if (bucket.length < BUCKET_LIMIT) bucket.push(i)
    }
  }
}

function bandsOf(hashes: Uint32Array, i: number): number[] {
  const high = hashes[2 * i]!
  const low = hashes[2 * i + 1]!
  return [high >>> 16, high & 0xffff, low >>> 16, low & 0xffff]
}

function distance(hashes: Uint32Array, i: number, j: number): number {
  return popCount(hashes[2 * i]! ^ hashes[2 * j]!) + popCount(hashes[2 * i + 1]! ^ hashes[2 * j + 1]!)
}
