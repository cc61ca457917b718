/** Files that lie beside another: read in places, and only where they truly lie in its folder. */
import { closeSync, fstatSync, lstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { GraftError, messageOf } from '../../base/errors.js'

/** A file held by its path; each reading opens it anew. */
export interface FileBeside {
  readonly path: string
  /** In bytes. */
  readonly size: number
  /** @throws GraftError where the file was changed since it was found */
  read(offset: number, length: number): Uint8Array
}

/** One system call reads no more than this. */
const MOST_AT_ONCE = 2 ** 30

/**
 * Finds a file by a relative path from the folder of another. Links are followed as long as they end in the folder in
 * which the other file lies, or in that to which it links (model stores keep the files themselves apart and link to them).
 *
 * @throws GraftError where it is missing, lies elsewhere, or is no plain file
 */
export function fileBeside(other: string, location: string): FileBeside {
  const path = join(dirname(other), ...location.split(/[\\/]/))
  const refuse = (problem: string, remedy: string, cause?: unknown): never => {
    throw new GraftError(`${path}, which ${other} names, ${problem}.`, { remedy, cause })
  }
  let real = ''
  let folders: string[] = []
  try {
    real = realpathSync(path)
    folders = [realpathSync(dirname(other)), dirname(realpathSync(other))]
  } catch (error) {
    refuse(
      lstatSync(path, { throwIfNoEntry: false }) ? `cannot be read (${messageOf(error)})` : 'does not exist',
      'Copy the model together with the files beside it, under their names.',
      error,
    )
  }
  if (!folders.some((folder) => real.startsWith(folder.endsWith(sep) ? folder : folder + sep)))
    refuse(
      `leads out of its folder, to ${real}`,
      'Graft reads only files beside the model. Copy the file there if you trust it.',
    )
  const found = statSync(real)
  if (!found.isFile()) refuse('is no plain file', 'Copy the model again, together with the files beside it.')
  return {
    path: real,
    size: found.size,
    read(offset, length) {
      let file: number | undefined
      try {
        file = openSync(real, 'r')
        const now = fstatSync(file)
        if (now.ino !== found.ino || now.size !== found.size || now.mtimeMs !== found.mtimeMs)
          refuse('was changed while it was in use', 'Run it again; save the new model to another folder.')
        const buffer = new Uint8Array(length)
        let filled = 0
        while (filled < length) {
          const count = readSync(file, buffer, filled, Math.min(length - filled, MOST_AT_ONCE), offset + filled)
          if (count === 0) break
          filled += count
        }
        return buffer.subarray(0, filled)
      } catch (error) {
        if (error instanceof GraftError) throw error
        return refuse(`cannot be read (${messageOf(error)})`, 'Check the disk and the permissions.', error)
      } finally {
        if (file !== undefined) closeSync(file)
      }
    },
  }
}
