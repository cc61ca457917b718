/**
 * The feature cache as files: where its shards lie, how much they take, and how they go. One folder an extractor.
 */
import { cacheDirectory, fileStatus, listFolder, makeDirectory, paths, removeFile } from '#platform'
import { readShardIndex } from './featureShard.js'

/** Temporary files older than this belong to no running process. */
const ABANDONED_MS = 3_600_000

export interface CacheStats {
  readonly directory: string
  readonly bytes: number
  readonly shards: number
  readonly records: number
  /** Different extractors: backbones, layers, preprocessings. */
  readonly extractors: number
}

/** Removes a damaged shard and says so. */
export async function dropShard(path: string, notice: (text: string) => void): Promise<void> {
  if ((await fileStatus(path)) === undefined) return
  notice(`${path}: this part of the feature cache is damaged; it was removed and its features are computed again.`)
  await removeFile(path).catch(() => undefined)
}

/** Paths of the shards of one extractor. */
export async function shardsIn(folder: string): Promise<string[]> {
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
export async function makeRoom(directory: string, limit: number): Promise<void> {
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
export async function featureCacheStats(directory = defaultFeatureDirectory()): Promise<CacheStats> {
  const shards = await allShards(directory)
  let records = 0
  for (const { path } of shards) records += (await readShardIndex(path).catch(() => undefined))?.length ?? 0
  const bytes = shards.reduce((sum, shard) => sum + shard.size, 0)
  const extractors = new Set(shards.map(({ path }) => paths.folder(path))).size
  return { directory, bytes, shards: shards.length, records, extractors }
}

/** Empties the cache; a process that is using it computes its features again. */
export async function clearFeatureCache(directory = defaultFeatureDirectory()): Promise<CacheStats> {
  const before = await featureCacheStats(directory)
  for (const { path } of await allShards(directory)) await removeFile(path)
  if ((await fileStatus(directory))?.kind === 'folder')
    for (const { name, kind } of await listFolder(directory))
      if (kind === 'folder' && /^[0-9a-f]{32}$/.test(name)) await removeFile(paths.join(directory, name))
  return before
}

export function defaultFeatureDirectory(): string {
  return paths.join(cacheDirectory(), 'features')
}
