/** A page has no file system: whoever asks for a file here is told what to hand over instead. */
import { absent } from './absent.js'

const READ = 'Fetch the file, or let the user choose it, and hand over its bytes: readModel(bytes), decodeImage(bytes).'
const WRITE = 'Take the bytes (writeModel) and offer them as a download, or store them with the browser.'

const reading = absent('reads no files and folders', READ)
const writing = absent('writes no files and folders', WRITE)

export const readFileBytes = reading
export const readFileText = reading
export const openForReading = reading
export const readFileRange = reading
export const readFileHeads = reading
export const readFileChunks = reading
export const exists = reading
export const fileStatus = reading
export const freeSpace = reading
export const listFolder = reading
export const listFiles = reading
export const isGlob = reading
export const globFiles = reading
export const packageDirectory = reading
export const cacheDirectory = reading
export const homeDirectory = reading
export const temporaryDirectory = reading
export const sha256File = reading
export const fileBeside = reading

export const writeFileAtomic = writing
export const appendFileSynced = writing
export const touchFile = writing
export const makeDirectory = writing
export const removeFile = writing
export const renameFile = writing
export const removeTemporaryFiles = writing
export const removeEmptyFolder = writing
export const lockFile = writing
export const waitForLock = writing
export const openGrowingFile = writing
export const linkOrCopy = writing
export const startHash = writing
export const openSpillFile = writing

export const paths = {
  absolute: reading,
  base: reading,
  folder: reading,
  join: reading,
  resolve: reading,
  relative: reading,
  portable: reading,
} as const
