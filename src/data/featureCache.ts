/**
 * Features on disk, so that the frozen part of a network runs once a photo and never again. Content-addressed: a record is
 * found by the SHA-256 of the photo's bytes and the key of what computed it.
 *
 * Records are collected into shards that are written whole, under names nobody else uses: a crash loses at most the shard
 * that was not written yet, and processes that write at the same time do not meet. A damaged shard is dropped and said.
 * The least recently used shards go when the limit is passed. Every fault ends in a miss, never in wrong values.
 */
import {
  openForReading,
  paths,
  type ReadableFile,
  readFileRange,
  sha256,
  touchFile,
  uniqueName,
  writeFileAtomic,
} from '#platform'
import { messageOf, UsageError } from '../base/errors.js'
import { decodeRecord, encodeShard, readShardIndex, type ShardRecord } from './featureShard.js'
import { defaultFeatureDirectory, dropShard, makeRoom, shardsIn } from './featureStore.js'

/** 2 GiB. */
export const DEFAULT_CACHE_LIMIT = 2 * 1024 ** 3
const SHARD_BYTES = 8 * 1024 ** 2
const OPEN_FILES = 16

export interface FeatureCacheOptions {
  /** Default: `features` in the cache directory (`GRAFT_CACHE`, `XDG_CACHE_HOME`, `~/.cache/graft`). */
  readonly directory?: string | undefined
  /** Bytes on disk, at most. Default 2 GiB. */
  readonly limit?: number | undefined
  /** Told in a sentence of damaged shards and of a disk that cannot be written. */
  readonly onNotice?: ((notice: string) => void) | undefined
}

export interface FeatureCache {
  readonly directory: string
  /**
   * @param extractor key of everything that decides the values: weights, outputs, preprocessing
   * @param photo SHA-256 of the encoded photo
   * @returns the values as they were put, or undefined
   */
  get(extractor: string, photo: string): Promise<Float32Array | undefined>
  /** Keeps a copy of the values; they are on the disk after the next {@link flush} at the latest. */
  put(extractor: string, photo: string, values: Float32Array): Promise<void>
  /** Writes what was put, and removes the least recently used shards above the limit. */
  flush(): Promise<void>
  /** Flushes and closes the files. */
  close(): Promise<void>
}

interface Located {
  readonly path: string
  readonly record: ShardRecord
}

/** What is known of one extractor. */
interface Shelf {
  readonly extractor: string
  readonly folder: string
  readonly index: Map<string, Located>
  /** Put, but not on the disk yet. */
  pending: Map<string, Float32Array>
  pendingBytes: number
  /** Being written now. */
  writing: Map<string, Float32Array>
}

/** Opens the cache; the directory is made when something is written. */
export function openFeatureCache(options: FeatureCacheOptions = {}): FeatureCache {
  const directory = options.directory ?? defaultFeatureDirectory()
  const limit = options.limit ?? DEFAULT_CACHE_LIMIT
  if (!(limit >= 0)) throw new UsageError(`the cache's limit is ${limit}, expected a number of bytes`)
  const notice = options.onNotice ?? (() => undefined)
  const shelves = new Map<string, Promise<Shelf>>()
  const files = new Map<string, Promise<ReadableFile>>()
  const touched = new Set<string>()
  let queue: Promise<void> = Promise.resolve()
  let writable = true

  const shelfOf = (extractor: string): Promise<Shelf> => {
    let shelf = shelves.get(extractor)
    if (shelf === undefined) {
      shelf = openShelf(directory, extractor, notice)
      shelves.set(extractor, shelf)
    }
    return shelf
  }

  const fileOf = (path: string): Promise<ReadableFile> => {
    const file = files.get(path) ?? openForReading(path)
    // Most recently used last.
    files.delete(path)
    files.set(path, file)
    for (const [oldest, old] of files) {
      if (files.size <= OPEN_FILES) break
      files.delete(oldest)
      closeQuietly(old)
    }
    return file
  }

  const forget = (shelf: Shelf, path: string): void => {
    for (const [photo, located] of shelf.index) if (located.path === path) shelf.index.delete(photo)
    const file = files.get(path)
    files.delete(path)
    if (file !== undefined) closeQuietly(file)
  }

  const writeShelf = async (shelf: Shelf): Promise<void> => {
    if (shelf.pending.size === 0) return
    shelf.writing = shelf.pending
    shelf.pending = new Map()
    shelf.pendingBytes = 0
    const path = paths.join(shelf.folder, `${uniqueName()}.features`)
    try {
      const content = encodeShard(shelf.extractor, shelf.writing)
      if (content.length > limit) return
      await makeRoom(directory, limit - content.length)
      await writeFileAtomic(path, content)
      for (const record of (await readShardIndex(path, shelf.extractor)) ?? [])
        shelf.index.set(record.photo, { path, record })
      touched.add(path)
    } catch (error) {
      writable = false
      notice(`Features are no longer cached: ${messageOf(error)}`)
    } finally {
      shelf.writing = new Map()
    }
  }

  const enqueue = (work: () => Promise<void>): Promise<void> => {
    queue = queue.then(work)
    return queue
  }

  const cache: FeatureCache = {
    directory,
    async get(extractor, photo) {
      const shelf = await shelfOf(extractor)
      const held = shelf.pending.get(photo) ?? shelf.writing.get(photo)
      if (held !== undefined) return held.slice()
      const located = shelf.index.get(photo)
      if (located === undefined) return undefined
      const { path, record } = located
      let bytes: Uint8Array
      try {
        bytes = await (await fileOf(path)).read(record.offset, 4 * record.length)
      } catch {
        // Closed a moment ago to keep few files open; or removed by another process to make room.
        const again = await readFileRange(path, record.offset, 4 * record.length).catch(() => undefined)
        if (again === undefined) {
          forget(shelf, path)
          return undefined
        }
        bytes = again
      }
      const values = decodeRecord(record, bytes)
      if (values === undefined) {
        forget(shelf, path)
        await dropShard(path, notice)
        return undefined
      }
      if (!touched.has(path)) {
        touched.add(path)
        await touchFile(path).catch(() => undefined)
      }
      return values
    },
    async put(extractor, photo, values) {
      const shelf = await shelfOf(extractor)
      if (!writable || shelf.pending.has(photo)) return
      shelf.pending.set(photo, values.slice())
      shelf.pendingBytes += values.byteLength + 100
      if (shelf.pendingBytes >= SHARD_BYTES) await enqueue(() => writeShelf(shelf))
    },
    async flush() {
      const opened = await Promise.all(shelves.values())
      for (const shelf of opened) await enqueue(() => writeShelf(shelf))
    },
    async close() {
      await cache.flush()
      for (const file of files.values()) closeQuietly(file)
      files.clear()
      shelves.clear()
    },
  }
  return cache
}

async function openShelf(directory: string, extractor: string, notice: (text: string) => void): Promise<Shelf> {
  const folder = paths.join(directory, sha256(extractor).slice(0, 32))
  const index = new Map<string, Located>()
  for (const path of await shardsIn(folder)) {
    const records = await readShardIndex(path, extractor).catch(() => undefined)
    if (records === undefined) await dropShard(path, notice)
    else for (const record of records) index.set(record.photo, { path, record })
  }
  return { extractor, folder, index, pending: new Map(), pendingBytes: 0, writing: new Map() }
}

function closeQuietly(file: Promise<ReadableFile>): void {
  file.then((opened) => opened.close()).catch(() => undefined)
}
