/** What the Hub's cache on this disk holds, whoever put it there. */
import { fileStatus, listFolder, makeDirectory, paths, removeFile, waitForLock } from '#platform'
import { RepoCache } from './cache.js'
import { chooseFiles } from './choose.js'

export interface StoredModel {
  /** `org/name`. */
  readonly repo: string
  /** On the disk, of all its revisions and of what has come of broken-off downloads. */
  readonly bytes: number
  /** Whether some revision has a network that can be used as a backbone. */
  readonly usable: boolean
}

/** The models in a cache, by name. */
export async function storedModels(cache: string): Promise<StoredModel[]> {
  if ((await fileStatus(cache))?.kind !== 'folder') return []
  const models: StoredModel[] = []
  for (const { name, kind } of await listFolder(cache)) {
    const repo = kind === 'folder' ? /^models--(.+)$/.exec(name)?.[1]?.replaceAll('--', '/') : undefined
    if (repo !== undefined) models.push(await storedModel(cache, repo))
  }
  return models
}

async function storedModel(cache: string, repo: string): Promise<StoredModel> {
  const found = new RepoCache(cache, repo)
  const blobs = await filesIn(paths.join(found.folder, 'blobs'))
  let bytes = blobs.reduce((sum, size) => sum + size, 0)
  let usable = false
  for (const commit of await namesIn(paths.join(found.folder, 'snapshots'))) {
    const files = await found.present(commit)
    // Where there are no links, the snapshots hold the files themselves.
    if (blobs.length === 0) bytes += files.reduce((sum, file) => sum + file.size, 0)
    usable ||= chooseFiles(files, undefined) !== undefined
  }
  return { repo, bytes, usable }
}

async function namesIn(folder: string): Promise<string[]> {
  if ((await fileStatus(folder))?.kind !== 'folder') return []
  return (await listFolder(folder)).filter(({ kind }) => kind === 'folder').map(({ name }) => name)
}

async function filesIn(folder: string): Promise<number[]> {
  if ((await fileStatus(folder))?.kind !== 'folder') return []
  const sizes: number[] = []
  for (const { name } of await listFolder(folder)) sizes.push((await fileStatus(paths.join(folder, name)))?.size ?? 0)
  return sizes
}

/** Removes a model with all its revisions, unless it is being fetched: then when that is done. */
export async function removeStored(
  cache: string,
  repo: string,
  signal?: AbortSignal,
): Promise<StoredModel | undefined> {
  if (!(await storedModels(cache)).some((model) => model.repo === repo)) return undefined
  const found = new RepoCache(cache, repo)
  await makeDirectory(paths.folder(found.lock))
  const lock = await waitForLock(found.lock, `the cache of ${repo}`, { signal })
  try {
    const stored = await storedModel(cache, repo)
    await removeFile(found.folder)
    return stored
  } finally {
    await lock.release()
  }
}
