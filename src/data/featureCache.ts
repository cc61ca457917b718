/**
 * Features on disk, so that the frozen part of a network runs once a photo and never again. Content-addressed: a record is
 * found by the SHA-256 of the photo's bytes and the key of what computed it.
 *
 * Records are collected into shards that are written whole, under names nobody else uses: a crash loses at most the shard
 * that was not written yet, and processes that write at the same time do not meet. A damaged shard is dropped and said.
 * The least recently used shards go when the limit is passed. Every fault ends in a miss, never in wrong values.
 */
import {
  cacheDirectory,
  fileStatus,
  listFolder,
  makeDirectory,
  openForReading,
  paths,
  type ReadableFile,
  removeFile,
  sha256,
  touchFile,
  uniqueName,
  writeFileAtomic,
} from '#platform'
import { messageOf, UsageError } from '../base/errors.js'
import { decodeRecord, encodeShard, readShardIndex, type ShardRecord } from './featureShard.js'

/** 2 GiB. */
export const DEFAULT_CACHE_LIMIT = 2 * 1024 ** 3
const SHARD_BYTES = 8 * 1024 ** 2
const OPEN_FILES = 16
/** Temporary files older than this belong to no running process. */
const ABANDONED_MS = 3_600_000

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

export interface CacheStats {
  readonly directory: string
  readonly bytes: number
  readonly shards: number
  readonly records: number
  /** Different extractors: backbones, layers, preprocessings. */
  readonly extractors: number
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
  const directory = options.directory ?? defaultDirectory()
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
        // Another process removed it to make room.
        forget(shelf, path)
        return undefined
      }
      const values = decodeRecord(record, bytes)
      if (values === undefined) {
        forget(shelf, path)
        await drop(path, notice)
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
    if (records === undefined) await drop(path, notice)
    else for (const record of records) index.set(record.photo, { path, record })
  }
  return { extractor, folder, index, pending: new Map(), pendingBytes: 0, writing: new Map() }
}

async function drop(path: string, notice: (text: string) => void): Promise<void> {
  if ((await fileStatus(path)) === undefined) return
  notice(`${path}: this part of the feature cache is damaged; it was removed and its features are computed again.`)
  await removeFile(path).catch(() => undefined)
}

async function shardsIn(folder: string): Promise<string[]> {
  if ((await fileStatus(folder))?.kind !== 'folder') return []
  const entries = await listFolder(folder)
  return entries.filter((entry) => entry.name.endsWith('.features')).map((entry) => paths.join(folder, entry.name))
}

interface ShardFile {
  readonly path: string
  readonly size: number
  readonly modified: number
}

async function allShards(directory: string): Promise<ShardFile[]> {
  const found: ShardFile[] = []
  if ((await fileStatus(directory))?.kind !== 'folder') return found
  for (const { name, kind } of await listFolder(directory)) {
    if (kind !== 'folder') continue
    for (const path of await shardsIn(paths.join(directory, name))) {
      const status = await fileStatus(path)
      if (status !== undefined) found.push({ path, size: status.size, modified: status.modified })
    }
  }
  return found
}

/** Removes the least recently used shards until at most `limit` bytes are left, and files of processes that died. */
async function makeRoom(directory: string, limit: number): Promise<void> {
  await makeDirectory(directory)
  await removeAbandoned(directory)
  const shards = (await allShards(directory)).sort((a, b) => a.modified - b.modified || (a.path < b.path ? -1 : 1))
  let bytes = shards.reduce((sum, shard) => sum + shard.size, 0)
  for (const { path, size } of shards) {
    if (bytes <= limit) break
    await removeFile(path).catch(() => undefined)
    bytes -= size
  }
}

async function removeAbandoned(directory: string): Promise<void> {
  for (const folder of await listFolder(directory)) {
    if (folder.kind !== 'folder') continue
    const path = paths.join(directory, folder.name)
    for (const { name } of await listFolder(path, { hidden: true })) {
      if (!name.endsWith('.tmp')) continue
      const status = await fileStatus(paths.join(path, name))
      if (status !== undefined && Date.now() - status.modified > ABANDONED_MS)
        await removeFile(paths.join(path, name)).catch(() => undefined)
    }
  }
}

/** What the cache holds on disk. */
export async function featureCacheStats(directory = defaultDirectory()): Promise<CacheStats> {
  const shards = await allShards(directory)
  let records = 0
  for (const { path } of shards) records += (await readShardIndex(path).catch(() => undefined))?.length ?? 0
  const bytes = shards.reduce((sum, shard) => sum + shard.size, 0)
  const extractors = new Set(shards.map(({ path }) => paths.folder(path))).size
  return { directory, bytes, shards: shards.length, records, extractors }
}

/** Empties the cache; a process that is using it computes its features again. */
export async function clearFeatureCache(directory = defaultDirectory()): Promise<CacheStats> {
  const before = await featureCacheStats(directory)
  for (const { path } of await allShards(directory)) await removeFile(path)
  if ((await fileStatus(directory))?.kind === 'folder')
    for (const { name, kind } of await listFolder(directory))
      if (kind === 'folder' && /^[0-9a-f]{32}$/.test(name)) await removeFile(paths.join(directory, name))
  return before
}

function defaultDirectory(): string {
  return paths.join(cacheDirectory(), 'features')
}

function closeQuietly(file: Promise<ReadableFile>): void {
  file.then((opened) => opened.close()).catch(() => undefined)
}
