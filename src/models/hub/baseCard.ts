/**
 * The licence of a converted model: repositories that only hold another format of a model often name none, but say which
 * model they were made from. The page of that one is fetched into its own place in the cache, where anyone finds it.
 */
import { makeDirectory, paths, waitForLock } from '#platform'
import { GraftError, messageOf } from '../../base/errors.js'
import { readCard, readLicence } from '../folderFiles.js'
import { RepoCache } from './cache.js'
import { download } from './download.js'
import { listCommit, resolveCommit } from './listing.js'
import { type Connection, connect } from './request.js'
import { DEFAULT_REVISION } from './spec.js'

const CARD = 'README.md'

/** The model that a folder's page says it was made from, where the folder itself names no licence. */
async function baseOf(folder: string): Promise<string | undefined> {
  if ((await readLicence(folder))?.name !== undefined) return undefined
  const [base] = await readCard(folder, 'base_model')
  // Ids of the oldest models have one part.
  return base !== undefined && /^\w[\w.-]*(\/\w[\w.-]*)?$/.test(base) && !/--|\.\./.test(base) ? base : undefined
}

/** Fetches the page of the model that a folder was made from. What cannot be fetched is told, and missed by nothing else. */
export async function fetchBaseCard(connection: Connection, folder: string): Promise<void> {
  const { settings, signal, notice, wait } = connection
  const base = await baseOf(folder)
  if (base === undefined) return
  const spec = { repo: base, revision: DEFAULT_REVISION }
  const cache = new RepoCache(settings.cache, base)
  const asking = connect(settings, spec, { wait, tries: 2, ...(signal ? { signal } : {}) })
  try {
    const commit = await resolveCommit(asking)
    const file = (await listCommit(asking, commit)).find(({ path }) => path === CARD)
    if (file === undefined) return
    await makeDirectory(paths.folder(cache.lock))
    const lock = await waitForLock(cache.lock, `the cache of ${base}`, { signal })
    try {
      if ((await cache.contentOf(commit, file)) === undefined)
        await download(asking, cache, commit, file, () => undefined)
      await cache.link(commit, file, settings.links)
      await cache.recordRevision(spec.revision, commit)
    } finally {
      await lock.release()
    }
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof GraftError)) throw error
    notice(
      `${connection.spec.repo} names no licence; that of ${base}, from which it was made, cannot be looked up: ${messageOf(error)}`,
      'warning',
    )
  }
}

/** The licence on the page of the model that a folder was made from, as far as that page lies in the cache. */
export async function baseLicence(root: string, folder: string): Promise<string | undefined> {
  const base = await baseOf(folder)
  if (base === undefined) return undefined
  const cache = new RepoCache(root, base)
  const commit = await cache.commitOf(DEFAULT_REVISION)
  return commit === undefined ? undefined : (await readCard(cache.snapshot(commit), 'licen[sc]e'))[0]
}
