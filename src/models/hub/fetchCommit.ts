/** Brings what a backbone needs of a commit into the cache. */
import { makeDirectory, paths, waitForLock } from '#platform'
import { GraftError } from '../../base/errors.js'
import { size } from '../../base/size.js'
import type { RepoCache } from './cache.js'
import { type Choice, chooseFiles, type HubKind, weightFiles } from './choose.js'
import { checkSpace, download } from './download.js'
import { checkKind, nameOf } from './errors.js'
import { externalData } from './externalData.js'
import { type HubFile, listCommit } from './listing.js'
import type { Connection } from './request.js'

/** Bytes of the files that have to be fetched. */
export interface HubProgress {
  /** The one that is being fetched. */
  readonly file: string
  readonly done: number
  readonly total: number
}

export interface FetchOptions {
  readonly kind?: HubKind | undefined
  readonly onProgress?: ((progress: HubProgress) => void) | undefined
}

/**
 * Fetches what is missing, one process at a time.
 *
 * @returns the files that are needed, those included that only the network itself names
 */
export async function fetchCommit(
  connection: Connection,
  cache: RepoCache,
  commit: string,
  options: FetchOptions,
): Promise<Choice<HubFile>> {
  const { settings, spec, signal, notice } = connection
  const kept = await cache.listing(commit)
  const files = kept ?? (await listCommit(connection, commit))
  checkKind(spec.repo, files, options.kind)
  const choice = chooseFiles(files, options.kind)
  if (!choice) throw noNetwork(connection, files)
  await makeDirectory(paths.folder(cache.lock))
  const lock = await waitForLock(cache.lock, `the cache of ${spec.repo}`, {
    signal,
    onWait: (reason) => notice(`Waiting: ${reason}.`, 'news'),
  })
  try {
    if (kept === undefined) await cache.recordListing(commit, files)
    const bring = (wanted: readonly HubFile[]) => bringBlobs(connection, cache, commit, wanted, options.onProgress)
    const link = (file: HubFile) => cache.link(commit, file, settings.links)
    await bring([...choice.others, ...choice.data, choice.model])
    const network = (await cache.contentOf(commit, choice.model)) ?? cache.blob(choice.model)
    const named = await externalData(network, choice.model.path)
    const data = named.map((path) => files.find((file) => file.path === path) ?? noData(connection, choice, path))
    await bring(data)
    // The network appears in the snapshot last: where it is, all is.
    for (const file of [...choice.others, ...data, choice.model]) await link(file)
    return { ...choice, data }
  } finally {
    await lock.release()
  }
}

async function bringBlobs(
  connection: Connection,
  cache: RepoCache,
  commit: string,
  wanted: readonly HubFile[],
  onProgress: FetchOptions['onProgress'],
): Promise<void> {
  const missing: HubFile[] = []
  for (const file of wanted) if ((await cache.contentOf(commit, file)) === undefined) missing.push(file)
  if (missing.length === 0) return
  const total = missing.reduce((sum, file) => sum + file.size, 0)
  let begun = 0
  for (const file of missing) begun += await cache.begun(file)
  await makeDirectory(cache.folder)
  await checkSpace(cache.folder, total - begun)
  const { spec, settings, notice } = connection
  const already = begun > 0 ? ` (${size(begun)} are here already)` : ''
  notice(
    `Fetching ${nameOf(spec)} from ${settings.host}: ${size(total - begun)}${already}, commit ${commit.slice(0, 7)}.`,
    'news',
  )
  let done = 0
  for (const file of missing)
    await download(connection, cache, commit, file, (bytes) => {
      done += bytes
      onProgress?.({ file: file.path, done, total })
    })
}

function noData({ spec }: Connection, choice: Choice<HubFile>, path: string): never {
  throw new GraftError(`${choice.model.path} of ${spec.repo} keeps its tensors in ${path}, which is not there.`, {
    remedy: 'The repository is incomplete: name another revision after an @, or tell its owner.',
  })
}

function noNetwork({ settings, spec }: Connection, files: readonly HubFile[]): GraftError {
  const has = weightFiles(files)
  const shown = has.slice(0, 6).join(', ')
  const more = has.length > 6 ? ` and ${has.length - 6} more` : ''
  const name = spec.repo.split('/')[1]
  return new GraftError(
    `${nameOf(spec)} holds no ONNX network that can be used as a backbone: it has ${has.length === 0 ? 'no weights at all' : `${shown}${more}`}.`,
    {
      remedy:
        `Export it: \`optimum-cli export onnx --model ${spec.repo} ${name}\`, then name that folder; or look for a converted one: ` +
        `${settings.endpoint}/models?library=onnx&search=${encodeURIComponent(name ?? '')} (often onnx-community/${name} or Xenova/${name}).`,
    },
  )
}
