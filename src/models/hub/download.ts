/**
 * One file from the Hub into the cache: what has come already is kept and gone on with, what has come is checked against
 * size and hash before it counts, and what was damaged on its way is fetched once more.
 */
import {
  freeSpace,
  openGrowingFile,
  type RunningHash,
  readFileChunks,
  removeFile,
  renameFile,
  startHash,
} from '#platform'
import { GraftError } from '../../base/errors.js'
import { size as bytes } from '../../base/size.js'
import type { RepoCache } from './cache.js'
import { TransientError } from './errors.js'
import { blobName, type HubFile } from './listing.js'
import { type Answer, ask, type Connection, trying } from './request.js'

/** Told how many more bytes are there; fewer than none where they had to be thrown away. */
type Count = (bytes: number) => void

/** What is already there of a file, in bytes. */
export type Incomplete = (file: HubFile) => Promise<number>

/**
 * Fetches a file to its place among the blobs. Nobody else may do so at the same time: the caller holds the cache's lock.
 *
 * @throws GraftError where it comes damaged twice, or the disk is full; UnreachableError; the signal's reason
 */
export async function download(
  connection: Connection,
  cache: RepoCache,
  commit: string,
  file: HubFile,
  count: Count,
): Promise<void> {
  const path = cache.incomplete(file)
  for (let again = false; ; again = true) {
    const found = await fill(connection, path, addressOf(connection, commit, file), file, count)
    if (found === blobName(file)) {
      await renameFile(path, cache.blob(file))
      return
    }
    await removeFile(path)
    count(-file.size)
    const what = `${file.path} of ${connection.spec.repo}`
    if (again)
      throw new GraftError(
        `${what} came damaged twice: its ${file.sha256 ? 'SHA-256' : "SHA-1 as Git's blob"} should be ${blobName(file)} and is ${found}.`,
        {
          remedy: `Something between here and ${connection.settings.host} changes the file (a proxy, a mirror in HF_ENDPOINT); try another connection.`,
        },
      )
    connection.notice(`${what} came damaged and is fetched once more.`, 'warning')
  }
}

function addressOf({ settings, spec }: Connection, commit: string, file: HubFile): string {
  return `${settings.endpoint}/${spec.repo}/resolve/${commit}/${file.path.split('/').map(encodeURIComponent).join('/')}`
}

/** Brings the file to its full size; returns its hash. */
async function fill(connection: Connection, path: string, address: string, file: HubFile, count: Count) {
  const growing = await openGrowingFile(path)
  let hash = newHash(file)
  const restart = async () => {
    count(-growing.size)
    await growing.empty()
    hash = newHash(file)
  }
  try {
    if (growing.size > file.size) await growing.empty()
    else if (growing.size > 0) for await (const piece of readFileChunks(path)) hash.update(piece)
    count(growing.size)
    let etag: string | undefined
    await trying(
      connection,
      async () => {
        if (growing.size === file.size) return
        const from = growing.size
        const answer = await ask(connection, address, {
          // Otherwise text may come compressed, and ranges would count compressed bytes.
          'accept-encoding': 'identity',
          ...(from > 0 ? { range: `bytes=${from}-` } : {}),
          ...(from > 0 && etag !== undefined ? { 'if-range': etag } : {}),
        })
        etag = strongTag(answer) ?? etag
        if (from > 0 && !continuesAt(answer, from)) {
          await restart()
          if (answer.status !== 200) {
            answer.discard()
            throw new TransientError(`${file.path} cannot be gone on with and is fetched from its start`, { wait: 0 })
          }
        }
        for await (const piece of answer.body()) {
          // More than there should be: it is another file, which its hash will show.
          const fitting = piece.subarray(0, file.size - growing.size)
          await growing.append(fitting)
          hash.update(fitting)
          count(fitting.length)
          if (fitting.length < piece.length) break
        }
        if (growing.size < file.size)
          throw new TransientError(`${file.path} ended after ${growing.size} of ${file.size} bytes`)
      },
      () => growing.size,
    )
    await growing.sync()
    return hash.hex()
  } catch (error) {
    throw await explained(error, path, growing.size, file)
  } finally {
    await growing.close()
  }
}

/** Git hashes a small file with its length in front; a large one is known by the hash of its content. */
function newHash(file: HubFile): RunningHash {
  if (file.sha256 !== undefined) return startHash('sha256')
  const hash = startHash('sha1')
  hash.update(`blob ${file.size}\0`)
  return hash
}

function continuesAt({ status, headers }: Answer, from: number): boolean {
  return status === 206 && new RegExp(`^bytes ${from}-`).test(headers.get('content-range') ?? '')
}

/** One that stands for the very bytes; a weak one may not be used with a range. */
function strongTag({ headers }: Answer): string | undefined {
  const tag = headers.get('etag')
  return tag?.startsWith('"') ? tag : undefined
}

async function explained(error: unknown, path: string, come: number, file: HubFile): Promise<unknown> {
  if (!(error instanceof GraftError)) return error
  const cause = error.cause
  const full = cause instanceof Error && 'code' in cause && (cause.code === 'ENOSPC' || cause.code === 'EDQUOT')
  return full ? diskFull(path, file.size - come, await freeSpace(path), error) : error
}

/** @throws GraftError where the disk has not the room for what is still to come */
export async function checkSpace(folder: string, needed: number): Promise<void> {
  const free = await freeSpace(folder)
  if (free !== undefined && free < needed) throw diskFull(folder, needed, free)
}

function diskFull(place: string, needed: number, free: number | undefined, cause?: unknown): GraftError {
  return new GraftError(
    `${place}: the disk is full: ${bytes(needed)} are still to come${free === undefined ? '' : `, ${bytes(free)} are free`}. What has come is kept.`,
    {
      remedy:
        'Free some space and run it again: it goes on where it stopped. HF_HUB_CACHE (or HF_HOME) names a place on another disk.',
      cause,
    },
  )
}
