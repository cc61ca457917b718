/**
 * A model on the Hub as a folder on this disk: which commit, which files, what of them is here already, and the rest fetched.
 */
import { messageOf, UsageError } from '../../base/errors.js'
import { baseLicence, fetchBaseCard } from './baseCard.js'
import { type CachedFile, RepoCache } from './cache.js'
import { type Choice, chooseFiles, type HubKind, isForPeople, isNetwork, type Precision } from './choose.js'
import { checkKind, nameOf, offlineAndMissing, UnreachableError } from './errors.js'
import { fetchCommit, type HubProgress } from './fetchCommit.js'
import { resolveCommit } from './listing.js'
import { type Connection, connect } from './request.js'
import { hubSettings } from './settings.js'
import { isCommit, parseHubSpec } from './spec.js'

export type { HubKind } from './choose.js'
export type { HubProgress } from './fetchCommit.js'

export interface HubOptions {
  /** What the backbone is to take: leaves out the files of the other kind. */
  readonly kind?: HubKind | undefined
  /** Breaks off; what has come is kept and gone on with the next time. */
  readonly signal?: AbortSignal | undefined
  /** Bytes that are here and bytes in all, of the files that had to be fetched. */
  readonly onProgress?: ((progress: HubProgress) => void) | undefined
  /** Something that the user should know, in a sentence: news of what goes on, or a warning. */
  readonly onNotice?: Connection['notice'] | undefined
  /** How waiting is done, for tests. */
  readonly wait?: Connection['wait']
}

export interface HubModel {
  /** `org/name`. */
  readonly repo: string
  /** What was asked for: `main` unless another was named. */
  readonly revision: string
  /** What it stood for. */
  readonly commit: string
  /** In Hugging Face's layout, in the cache; not to be written to. */
  readonly folder: string
  /** The path of the network in the folder. */
  readonly model: string
  readonly precision: Precision
  /** Every file that is needed, by its path in the folder. */
  readonly files: readonly CachedFile[]
  /** Of the model that it was made from, where the folder names none itself. */
  readonly licence: string | undefined
}

/**
 * Finds a model of the Hub in its cache, or fetches what is missing of it.
 *
 * @param text `org/name`, `org/name@revision`, `hf://org/name` or the address of its page
 * @throws UsageError for a text of another form, a model or revision that does not exist or may not be read
 * @throws GraftError for one without an ONNX file, a gated one, files that come damaged, a full disk
 * @throws UnreachableError where the Hub does not answer and the cache has not all that is needed
 */
export async function resolveHub(text: string, options: HubOptions = {}): Promise<HubModel> {
  const spec = parseHubSpec(text)
  if (!spec)
    throw new UsageError(`"${text}" is not the name of a model on the Hub.`, {
      remedy: 'Write org/name or org/name@revision.',
    })
  const settings = await hubSettings()
  const cache = new RepoCache(settings.cache, spec.repo)
  const { kind, signal, onNotice, wait } = options
  const known = await cache.commitOf(spec.revision)
  const result = async (commit: string, choice: Choice<CachedFile>): Promise<HubModel> => {
    if (choice.precision !== 'fp32')
      onNotice?.(
        `${choice.model.path} of ${spec.repo} holds its weights as ${choice.precision}; there is no float32 network.`,
        'warning',
      )
    const files = [...choice.others, choice.model, ...choice.data].map(({ path, size }) => ({ path, size }))
    const { model, precision } = choice
    const folder = cache.snapshot(commit)
    const licence = await baseLicence(settings.cache, folder)
    return { ...spec, commit, folder, model: model.path, precision, files, licence }
  }
  if (settings.offlineBy !== undefined) {
    const choice = known && (await usable(cache, known, kind))
    if (choice) return result(known, choice)
    const begun = known !== undefined && (await cache.present(known)).length > 0
    throw offlineAndMissing(settings, spec, begun ? 'is not complete in' : 'is not in')
  }
  const whole = known && (await complete(cache, known, kind))
  if (whole && isCommit(spec.revision)) return result(known, whole)

  const connection = connect(settings, spec, {
    ...(wait ? { wait } : {}),
    ...(onNotice ? { notice: onNotice } : {}),
    ...(signal ? { signal } : {}),
  })
  let commit = spec.revision
  if (!isCommit(commit)) {
    const fallback = known && (await usable(cache, known, kind))
    try {
      // With something to fall back on nobody is kept waiting.
      commit = await resolveCommit(fallback ? { ...connection, tries: 2 } : connection)
    } catch (error) {
      if (!(error instanceof UnreachableError) || !fallback) throw error
      onNotice?.(`${messageOf(error)} Used is ${nameOf(spec)} as it lies in the cache, commit ${known}.`, 'warning')
      return result(known, fallback)
    }
  }
  if (whole && commit === known) return result(commit, whole)
  const choice = await fetchCommit(connection, cache, commit, options)
  await cache.recordRevision(spec.revision, commit)
  await fetchBaseCard(connection, cache.snapshot(commit))
  return result(commit, choice)
}

/** What is needed of a commit, where the Hub's listing of it was kept and all of it is in the cache. */
async function complete(
  cache: RepoCache,
  commit: string,
  kind: HubKind | undefined,
): Promise<Choice<CachedFile> | undefined> {
  const listed = (await cache.listing(commit)) ?? []
  const choice = chooseFiles<CachedFile>(listed, kind)
  if (!choice) return undefined
  checkKind(cache.repo, listed, kind)
  for (const file of [choice.model, ...choice.data, ...choice.others])
    if (!(await cache.has(commit, file))) return undefined
  return choice
}

/**
 * What can be used of a commit without the Hub: another program may have left out a licence, or have fetched one network of
 * several. Without a listing, what lies there is all that is known.
 */
async function usable(
  cache: RepoCache,
  commit: string,
  kind: HubKind | undefined,
): Promise<Choice<CachedFile> | undefined> {
  const here = await cache.present(commit)
  const paths = new Set(here.map(({ path }) => path))
  const listed = (await cache.listing(commit)) ?? here
  const choice = chooseFiles<CachedFile>(
    listed.filter(({ path }) => paths.has(path) || !(isNetwork(path) || isForPeople(path))),
    kind,
  )
  if (!choice) return undefined
  checkKind(cache.repo, listed, kind)
  for (const file of [choice.model, ...choice.data, ...choice.others])
    if (!(await cache.has(commit, file))) return undefined
  return choice
}
