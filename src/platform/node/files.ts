/**
 * Files in Node: reading, listing and writing so that a crash at any moment leaves either the old file or the new one.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, createReadStream, type Dirent, fstatSync, openSync, readSync } from 'node:fs'
import {
  access,
  type FileHandle,
  mkdir,
  open,
  opendir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  statfs,
  utimes,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { GraftError } from '../../base/errors.js'
import { codeOf, readError, writeError } from './fileErrors.js'

/** Size in bytes, time of the last change in milliseconds since 1970, and what it is. */
export interface FileStatus {
  readonly size: number
  readonly modified: number
  readonly kind: 'file' | 'folder' | 'other'
}

/** A file found below a folder. */
export interface ListedFile {
  /** Path relative to the listed folder, with `/` separators on every system. */
  readonly id: string
  readonly path: string
}

/** The whole file. */
export async function readFileBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw readError(path, error)
  }
}

/** The whole file as UTF-8 text, without a byte-order mark. */
export async function readFileText(path: string): Promise<string> {
  const text = new TextDecoder('utf-8').decode(await readFileBytes(path))
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

/** A file held open to be read in places. */
export interface ReadableFile {
  /** At most `length` bytes from `offset`; fewer at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}

export async function openForReading(path: string): Promise<ReadableFile> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw readError(path, error)
  })
  return {
    close: () => file.close(),
    async read(offset, length) {
      const buffer = new Uint8Array(length)
      let filled = 0
      try {
        while (filled < length) {
          const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled)
          if (bytesRead === 0) break
          filled += bytesRead
        }
      } catch (error) {
        throw readError(path, error)
      }
      return buffer.subarray(0, filled)
    },
  }
}

/** At most `length` bytes from `offset`; fewer at the end of the file. */
export async function readFileRange(path: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await openForReading(path)
  try {
    return await file.read(offset, length)
  } finally {
    await file.close()
  }
}

/** The start of a file and its size; undefined where there is none; an error where it is no file or cannot be read. */
export type FileHead = { readonly size: number; readonly head: Uint8Array } | undefined | GraftError

/**
 * The first bytes of many files. Blocks its thread: a thousand small blocking reads take some 15 ms where as many requests
 * to the thread pool take ten times that. Give it some hundred files at a time.
 */
export function readFileHeads(files: readonly string[], length: number): FileHead[] {
  return files.map((path) => {
    let file: number | undefined
    try {
      file = openSync(path, 'r')
      const status = fstatSync(file)
      if (!status.isFile()) return new GraftError(`${path}: is a folder, not a file`)
      const head = new Uint8Array(Math.min(length, status.size))
      return { size: status.size, head: head.subarray(0, readSync(file, head, 0, head.length, 0)) }
    } catch (error) {
      return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR' ? undefined : readError(path, error)
    } finally {
      if (file !== undefined) closeSync(file)
    }
  })
}

/** The file in pieces, for files too large to hold. */
export async function* readFileChunks(path: string, chunk = 1 << 20): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of createReadStream(path, { highWaterMark: chunk })) yield piece as Uint8Array
  } catch (error) {
    throw readError(path, error)
  }
}

/**
 * Writes a whole file so that a reader, or a crash at any moment, sees the old content or the new one and nothing else:
 * a temporary file in the same folder, fsync, rename, fsync of the folder. The folder is made if it is missing; the
 * temporary file is removed on failure. Content may come in pieces, each made when the one before it is written.
 */
export async function writeFileAtomic(
  path: string,
  content: Uint8Array | string | Iterable<Uint8Array>,
): Promise<void> {
  const folder = dirname(path)
  await makeDirectory(folder)
  const temporary = join(
    folder,
    `.${basename(path).slice(0, 100)}.${process.pid}-${randomBytes(6).toString('hex')}.tmp`,
  )
  try {
    const file = await open(temporary, 'wx')
    try {
      if (typeof content === 'string' || content instanceof Uint8Array) await file.writeFile(content)
      else for (const piece of content) await writeWhole(file, piece)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw writeError(path, error)
  }
  await syncFolder(folder)
}

/** One request to the system writes no more than this. */
const MOST_AT_ONCE = 2 ** 30

async function writeWhole(file: FileHandle, piece: Uint8Array): Promise<void> {
  let at = 0
  while (at < piece.length) {
    const { bytesWritten } = await file.write(piece, at, Math.min(piece.length - at, MOST_AT_ONCE))
    at += bytesWritten
  }
}

/** Adds to the end of a file, making it if it is missing, and waits until it is on the disk. */
export async function appendFileSynced(path: string, content: Uint8Array | string): Promise<void> {
  await makeDirectory(dirname(path))
  try {
    const file = await open(path, 'a')
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    throw writeError(path, error)
  }
}

/** Windows cannot open a folder; there the rename alone has to do. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r').catch(() => undefined)
  if (handle === undefined) return
  try {
    await handle.sync()
  } catch (error) {
    // Some network file systems refuse to sync a folder; the file itself is synced already.
    if (codeOf(error) !== 'EINVAL' && codeOf(error) !== 'ENOTSUP') throw writeError(folder, error)
  } finally {
    await handle.close()
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** What lies at the path; undefined where there is nothing. */
export async function fileStatus(path: string): Promise<FileStatus | undefined> {
  try {
    const found = await stat(path)
    const kind = found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other'
    return { size: found.size, modified: found.mtimeMs, kind }
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw readError(path, error)
  }
}

/** Sets the time of the last change to now: how the caches remember what was used. */
export async function touchFile(path: string): Promise<void> {
  const time = new Date()
  await utimes(path, time, time)
}

export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
  } catch (error) {
    throw writeError(path, error)
  }
}

/** Removes a file, or a folder with all it holds; nothing happens where it is missing. */
export async function removeFile(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true })
  } catch (error) {
    throw writeError(path, error)
  }
}

export async function renameFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    throw writeError(to, error)
  }
}

/** Bytes free on the disk that holds the path, for the user; undefined where the system does not say. */
export async function freeSpace(path: string): Promise<number | undefined> {
  return statfs(path).then(
    (disk) => disk.bavail * disk.bsize,
    () => undefined,
  )
}

/** Names of what lies directly inside a folder, sorted by code unit; hidden ones (a leading dot) only where asked for. */
export async function listFolder(
  path: string,
  options: { hidden?: boolean } = {},
): Promise<{ name: string; kind: FileStatus['kind'] }[]> {
  const entries: { name: string; kind: FileStatus['kind'] }[] = []
  for (const entry of await sortedEntries(path)) {
    if (entry.name.startsWith('.') && options.hidden !== true) continue
    const kind = await kindOf(entry, join(path, entry.name))
    if (kind !== undefined) entries.push({ name: entry.name, kind })
  }
  return entries
}

/**
 * Every file below a folder in a fixed order (by code unit within a folder), as a stream. Hidden files and folders are
 * left out. Links are followed, each real folder once on a path from the root, so that a link to a parent ends there.
 */
export async function* listFiles(folder: string): AsyncGenerator<ListedFile> {
  yield* walk(folder, '', [])
}

async function* walk(folder: string, prefix: string, above: readonly string[]): AsyncGenerator<ListedFile> {
  const real = await realpath(folder).catch((error: unknown) => {
    throw readError(folder, error)
  })
  if (above.includes(real)) return
  for (const entry of await sortedEntries(folder)) {
    if (entry.name.startsWith('.')) continue
    const path = join(folder, entry.name)
    const id = `${prefix}${entry.name}`
    const kind = await kindOf(entry, path)
    if (kind === 'folder') yield* walk(path, `${id}/`, [...above, real])
    else if (kind === 'file') yield { id, path }
  }
}

async function sortedEntries(folder: string): Promise<Dirent[]> {
  try {
    const entries: Dirent[] = []
    for await (const entry of await opendir(folder, { bufferSize: 256 })) entries.push(entry)
    return entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  } catch (error) {
    throw readError(folder, error)
  }
}

/** Undefined for a link that leads nowhere. */
async function kindOf(entry: Dirent, path: string): Promise<FileStatus['kind'] | undefined> {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'folder'
  if (!entry.isSymbolicLink()) return 'other'
  return (await fileStatus(path).catch(() => undefined))?.kind
}
