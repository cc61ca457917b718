/**
 * Photos that occur more than once: exact copies by their content hash, near copies (resized, recompressed, a little
 * brighter) by their perceptual hash. Groups are used to keep copies on one side of a split and to warn of leakage.
 */
import { list } from './layout.js'
import { popCount, sameThumb, THUMB_BYTES } from './perceptualHash.js'
import type { PhotoScan } from './scan.js'
import type { ImageDataset } from './types.js'

/** Bits in which the hashes of near copies may differ: the most that the index below finds without fail. */
const NEAR_BITS = 7
/** Photos looked at in one bucket of the index: keeps thousands of alike pictures (digits, scans) from taking forever. */
const BUCKET_LIMIT = 128

export interface DuplicateGroup {
  /** Positions in the data set, ascending. */
  readonly members: readonly number[]
  /** All members have the same bytes. */
  readonly exact: boolean
}

export interface Duplicates {
  /** Groups of two and more. */
  readonly groups: readonly DuplicateGroup[]
  /** For every photo the first member of its group; itself where it is alone. (N) */
  readonly groupOf: Int32Array
  /** Groups whose members have different labels: at least one of these is wrong. */
  readonly conflicts: readonly DuplicateGroup[]
  /** Groups that lie on both sides of a split that the data gives. */
  readonly leaks: readonly DuplicateGroup[]
  /** Sentences on the above for a person. */
  readonly warnings: readonly string[]
}

/** Finds copies among the photos of a data set. Near linear in their number. */
export function findDuplicates(dataset: ImageDataset, scan: PhotoScan): Duplicates {
  const { samples } = dataset
  const parent = Int32Array.from({ length: samples.length }, (_, i) => i)
  const firsts = joinExact(scan.contents, parent)
  joinNear(scan, firsts, parent)
  const members = new Map<number, number[]>()
  for (let i = 0; i < samples.length; i++) {
    const root = find(parent, i)
    const group = members.get(root)
    if (group === undefined) members.set(root, [i])
    else group.push(i)
  }
  const groups: DuplicateGroup[] = []
  for (const group of members.values())
    if (group.length > 1)
      groups.push({ members: group, exact: group.every((i) => scan.contents[i] === scan.contents[group[0]!]) })
  const varied = (group: DuplicateGroup, value: (i: number) => unknown) => new Set(group.members.map(value)).size > 1
  const conflicts = groups.filter((group) => varied(group, (i) => samples[i]!.label))
  const leaks = groups.filter(({ members: all }) => {
    return new Set(all.flatMap((i) => samples[i]!.split ?? [])).size > 1
  })
  const warnings = describe(dataset, groups, conflicts, leaks)
  return { groups, groupOf: parent.map((_, i) => find(parent, i)), conflicts, leaks, warnings }
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

function find(parent: Int32Array, i: number): number {
  let at = i
  while (parent[at] !== at) {
    parent[at] = parent[parent[at]!]!
    at = parent[at]!
  }
  return at
}

/** The smaller index stays the root, so that results do not depend on the order of joining. */
function join(parent: Int32Array, i: number, j: number): void {
  const a = find(parent, i)
  const b = find(parent, j)
  parent[Math.max(a, b)] = Math.min(a, b)
}

function describe(
  dataset: ImageDataset,
  groups: readonly DuplicateGroup[],
  conflicts: readonly DuplicateGroup[],
  leaks: readonly DuplicateGroup[],
): string[] {
  const warnings: string[] = []
  const example = (found: readonly DuplicateGroup[], tell: (i: number) => string) =>
    list(found[0]!.members.map(tell), 3)
  const copies = groups.reduce((sum, group) => sum + group.members.length - 1, 0)
  if (copies > 0) {
    const near = groups.filter((group) => !group.exact).length
    const kind = near === 0 ? 'exact copies' : near === groups.length ? 'near copies' : 'exact or near copies'
    warnings.push(
      `${copies} ${copies === 1 ? 'photo is a copy' : `photos are ${kind}`} of another, for instance ${example(groups, (i) => dataset.samples[i]!.id)}. Copies are kept on one side of the split.`,
    )
  }
  if (conflicts.length > 0) {
    const tell = (i: number) =>
      `${dataset.samples[i]!.id} (${dataset.classes[dataset.samples[i]!.label] ?? 'no label'})`
    warnings.push(
      `${count(conflicts, 'photo has', 'photos have')} copies under different labels: ${example(conflicts, tell)}. Correct the labels.`,
    )
  }
  if (leaks.length > 0) {
    const tell = (i: number) => `${dataset.samples[i]!.id} (${dataset.samples[i]!.split ?? 'no split'})`
    warnings.push(
      `${count(leaks, 'photo lies', 'photos lie')} on both sides of the given split, which makes the measured accuracy too good: ${example(leaks, tell)}.`,
    )
  }
  return warnings
}

function count(groups: readonly unknown[], one: string, many: string): string {
  return `${groups.length} ${groups.length === 1 ? one : many}`
}
