/** What a cache of downloads needs of the system: files that grow, hashes that run along, links that others can follow. */
import { createHash, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, open, readlink, rename, rm, symlink } from 'node:fs/promises'
import { dirname, relative } from 'node:path'
import { codeOf, writeError } from './fileErrors.js'
import { makeDirectory } from './files.js'

/** A hash of bytes that come one piece after another. */
export interface RunningHash {
  update(piece: Uint8Array | string): void
  /** Lower-case hexadecimal; ends the hash. */
  hex(): string
}

export function startHash(algorithm: 'sha1' | 'sha256'): RunningHash {
  const hash = createHash(algorithm)
  return { update: (piece) => void hash.update(piece), hex: () => hash.digest('hex') }
}

/** A file that is written to its end piece by piece and may be left and gone on with. */
export interface GrowingFile {
  /** In bytes, as it is now. */
  readonly size: number
  append(piece: Uint8Array): Promise<void>
  /** Throws away what it holds. */
  empty(): Promise<void>
  /** Waits until all of it is on the disk. */
  sync(): Promise<void>
  close(): Promise<void>
}

/** Opens a file to go on writing at its end; it and its folder are made where they are missing. */
export async function openGrowingFile(path: string): Promise<GrowingFile> {
  await makeDirectory(dirname(path))
  const orFail = async <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      throw writeError(path, error)
    })
  const file = await orFail(open(path, constants.O_RDWR | constants.O_CREAT))
  let size: number
  try {
    size = (await file.stat()).size
  } catch (error) {
    await file.close()
    throw writeError(path, error)
  }
  return {
    get size() {
      return size
    },
    async append(piece) {
      for (let at = 0; at < piece.length; ) {
        const { bytesWritten } = await orFail(file.write(piece, at, piece.length - at, size))
        at += bytesWritten
        size += bytesWritten
      }
    },
    async empty() {
      await orFail(file.truncate(0))
      size = 0
    },
    sync: () => orFail(file.sync()),
    close: () => file.close(),
  }
}

/**
 * Makes `path` stand for the file `target` by a relative symbolic link, so that both can be moved together; where the system
 * makes no such links (Windows without the right, some file systems) or none are wanted, it becomes a copy. What stood at
 * `path` is replaced in one step.
 */
export async function linkOrCopy(target: string, path: string, links = true): Promise<'link' | 'copy'> {
  const folder = dirname(path)
  await makeDirectory(folder)
  const text = relative(folder, target)
  if (links && (await readlink(path).catch(() => undefined)) === text) return 'link'
  const temporary = `${path}.${process.pid}-${randomBytes(6).toString('hex')}.tmp`
  try {
    const linked = links && (await makeLink(text, temporary))
    if (!linked) await copyFile(target, temporary)
    await rename(temporary, path)
    return linked ? 'link' : 'copy'
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw writeError(path, error)
  }
}

/** What systems say where they make no symbolic links. */
const NO_LINKS = new Set(['EPERM', 'EACCES', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'UNKNOWN'])

async function makeLink(text: string, path: string): Promise<boolean> {
  return symlink(text, path, 'file').then(
    () => true,
    (error: unknown) => {
      if (NO_LINKS.has(codeOf(error) ?? '')) return false
      throw error
    },
  )
}
