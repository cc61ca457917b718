/** What the system says when a file cannot be read or written, as errors that name the file and what to do. */
import { GraftError, messageOf } from '../../base/errors.js'

/** The system's code of an error, such as ENOENT. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

export function readError(path: string, cause: unknown): GraftError {
  if (cause instanceof GraftError) return cause
  switch (codeOf(cause)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new GraftError(`${path}: no such file or folder`, { remedy: 'Check the path.', cause })
    case 'EACCES':
    case 'EPERM':
      return new GraftError(`${path}: no permission to read it`, { remedy: 'Change its permissions.', cause })
    case 'EISDIR':
      return new GraftError(`${path}: is a folder, expected a file`, { remedy: 'Name a file in it.', cause })
    case 'EMFILE':
      return new GraftError(`${path}: too many open files`, { remedy: 'Raise the limit (`ulimit -n 4096`).', cause })
    default:
      return new GraftError(`${path}: cannot be read (${messageOf(cause)})`, { cause })
  }
}

export function writeError(path: string, cause: unknown): GraftError {
  if (cause instanceof GraftError) return cause
  switch (codeOf(cause)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new GraftError(`${path}: the disk is full; the file was not written and what was there before is intact`, {
        remedy: 'Free some space or choose another folder; `graft cache --clear` empties the cache.',
        cause,
      })
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new GraftError(`${path}: no permission to write there`, {
        remedy: 'Choose another folder or change its permissions.',
        cause,
      })
    case 'ENOTDIR':
    case 'EEXIST':
      return new GraftError(`${path}: a file stands where a folder is needed`, {
        remedy: 'Choose another name or move that file.',
        cause,
      })
    case 'EISDIR':
      return new GraftError(`${path}: a folder stands where a file is to be written`, {
        remedy: 'Choose another name or move that folder.',
        cause,
      })
    case 'ENAMETOOLONG':
      return new GraftError(`${path}: the name is too long`, { remedy: 'Choose a shorter one.', cause })
    default:
      return new GraftError(`${path}: cannot be written (${messageOf(cause)})`, { cause })
  }
}
