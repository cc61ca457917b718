/**
 * What a revision stands for and which files it holds, asked of the Hub through its own JavaScript client. That client also
 * downloads (`snapshotDownload`), but without going on with a broken download, without checking what came and with tokens of
 * one form only, and its scan of a cache sees no sub-folders: those parts are written in this folder.
 */
import { type ListFileEntry, listFiles, modelInfo } from '@huggingface/hub'
import { GraftError } from '../../base/errors.js'
import { ask, type Connection, trying } from './request.js'

/** A file of a commit. */
export interface HubFile {
  /** In the repository, with `/`. */
  readonly path: string
  readonly size: number
  /** Git's name of the file, or of the note that stands for a large one. */
  readonly gitSha1: string
  /** Of the content, where the file is a large one (LFS); small ones have Git's hash only. */
  readonly sha256: string | undefined
  readonly xetHash: string | undefined
}

/** The name of its blob in the cache, which is the ETag that the Hub gives it. */
export const blobName = (file: HubFile) => file.sha256 ?? file.gitSha1

/** The commit that a revision stands for now. @throws GraftError, UsageError, UnreachableError */
export async function resolveCommit(connection: Connection): Promise<string> {
  const { settings, spec } = connection
  const info = await trying(connection, () =>
    modelInfo({
      name: spec.repo,
      revision: spec.revision,
      hubUrl: settings.endpoint,
      additionalFields: ['sha'],
      fetch: jsonFetch(connection),
    }),
  )
  const sha: unknown = info.sha
  if (typeof sha !== 'string' || !/^[0-9a-f]{40}$/.test(sha)) throw notTheHub(connection, 'it names no commit')
  if (typeof info.name === 'string' && info.name !== spec.repo)
    connection.notice(`${spec.repo} is called ${info.name} now.`, 'news')
  return sha
}

/** Every file of a commit. */
export async function listCommit(connection: Connection, commit: string): Promise<HubFile[]> {
  const { settings, spec } = connection
  return trying(connection, async () => {
    const files: HubFile[] = []
    const entries = listFiles({
      repo: { type: 'model', name: spec.repo },
      revision: commit,
      recursive: true,
      hubUrl: settings.endpoint,
      fetch: jsonFetch(connection),
    })
    for await (const entry of entries) if (entry.type === 'file') files.push(toFile(connection, entry))
    return files
  })
}

function toFile(connection: Connection, { path, size, oid, lfs, xetHash }: ListFileEntry): HubFile {
  const sound =
    typeof path === 'string' &&
    Number.isSafeInteger(lfs?.size ?? size) &&
    /^[0-9a-f]{40}$/.test(oid ?? '') &&
    (lfs === undefined || /^[0-9a-f]{64}$/.test(lfs.oid))
  if (!sound) throw notTheHub(connection, 'it lists files without their size and hash')
  return { path, size: lfs?.size ?? size, gitSha1: oid as string, sha256: lfs?.oid, xetHash }
}

/** The client's requests go our way, so that token, patience and errors are the same everywhere. */
function jsonFetch(connection: Connection): typeof fetch {
  return async (input) => {
    const url = input instanceof Request ? input.url : String(input)
    const answer = await ask(connection, url, { accept: 'application/json' })
    const pieces: Uint8Array[] = []
    for await (const piece of answer.body()) pieces.push(piece)
    const text = await new Blob(pieces as BlobPart[]).text()
    try {
      JSON.parse(text)
    } catch {
      throw notTheHub(connection, 'it is not JSON')
    }
    const link = answer.headers.get('link')
    return new Response(text, { status: answer.status, headers: link === null ? {} : { link } })
  }
}

function notTheHub({ settings, spec }: Connection, why: string): GraftError {
  return new GraftError(`${settings.host} does not answer about ${spec.repo} as the Hub does: ${why}.`, {
    remedy: 'Look at HF_ENDPOINT; a network that asks to log in first answers like this too.',
  })
}
