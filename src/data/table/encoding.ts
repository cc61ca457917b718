/**
 * Which encoding a text file is in: UTF-8 unless its bytes say otherwise. Files that are no text at all are named for what
 * they are. A file of any size is read in pieces and never held.
 */
import { readFileChunks, readFileRange } from '#platform'
import { GraftError, UsageError } from '../../base/errors.js'

export interface FoundEncoding {
  /** A label of the WHATWG encoding standard: `utf-8`, `utf-16le`, `windows-1252`, ... */
  readonly encoding: string
  /** A sentence for a person, where it was not plain UTF-8 and nobody said so. */
  readonly warning: string | undefined
}

/** What is read where the bytes are no UTF-8 and nothing else is known. */
const FALLBACK = 'windows-1252'

/** First bytes of what is not text, with what it is and what to do. */
const FOREIGN: readonly (readonly [bytes: readonly number[], what: string, remedy: string])[] = [
  [[0x50, 0x4b, 3, 4], 'a zip archive, such as an Excel workbook', 'Save the sheet as CSV (UTF-8), or unpack it.'],
  [[0xd0, 0xcf, 0x11, 0xe0], 'an old Excel or Word file', 'Save the sheet as CSV (UTF-8).'],
  [[0x1f, 0x8b], 'compressed with gzip', 'Unpack it first (gunzip).'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'compressed with zstd', 'Unpack it first (unzstd).'],
  [[0x50, 0x41, 0x52, 0x31], 'a Parquet file', 'Name it .parquet.'],
  [[0x41, 0x52, 0x52, 0x4f, 0x57, 0x31], 'an Arrow file', 'Name it .arrow.'],
  [[0x25, 0x50, 0x44, 0x46], 'a PDF', 'Give its text.'],
  [[0x53, 0x51, 0x4c, 0x69, 0x74, 0x65], 'an SQLite database', 'Export the table as CSV.'],
]

/**
 * Looks at the whole file: a byte-order mark, then whether it is UTF-8 to the end. What is neither is read as windows-1252
 * (Latin), with a warning that names the first line where it shows.
 *
 * @param name the file's name in messages
 * @param chosen the encoding as the user gave it: any label of the WHATWG encoding standard
 * @throws GraftError for a file that is no text; UsageError for an encoding that nobody knows
 */
export async function encodingOf(path: string, name: string, chosen?: string): Promise<FoundEncoding> {
  const head = await readFileRange(path, 0, 4096)
  for (const [bytes, what, remedy] of FOREIGN)
    if (bytes.every((byte, i) => head[i] === byte)) throw new GraftError(`${name}: is ${what}, not text`, { remedy })
  if (chosen !== undefined) return { encoding: decoderOf(chosen).encoding, warning: undefined }
  const marked = byMark(head) ?? byNulls(head)
  if (marked !== undefined) return { encoding: marked, warning: undefined }
  if (head.includes(0))
    throw new GraftError(`${name}: has zero bytes, so it is no text file`, {
      remedy: 'Give CSV, TSV, JSON, JSON Lines or Parquet; for an unusual encoding name it with --encoding.',
    })
  const fault = await firstFault(path)
  if (fault === undefined) return { encoding: 'utf-8', warning: undefined }
  const byte = fault.byte.toString(16).toUpperCase().padStart(2, '0')
  return {
    encoding: FALLBACK,
    warning:
      `${name} is not UTF-8 (byte 0x${byte} on line ${fault.line}: ${JSON.stringify(fault.around)}). ` +
      `It is read as ${FALLBACK}; if letters look wrong, name its encoding with --encoding.`,
  }
}

/** The file as text, in pieces, without a byte-order mark. Bytes that mean nothing become U+FFFD. */
export async function* textChunks(path: string, encoding: string): AsyncGenerator<string> {
  const decoder = decoderOf(encoding)
  for await (const chunk of readFileChunks(path)) {
    const text = decoder.decode(chunk, { stream: true })
    if (text !== '') yield text
  }
  const rest = decoder.decode()
  if (rest !== '') yield rest
}

/** Lines of text from pieces of it, numbered from 1, without their ends. */
export async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<{ line: number; text: string }[]> {
  let rest = ''
  let line = 0
  for await (const chunk of chunks) {
    const parts = chunk.split('\n')
    parts[0] = rest + parts[0]!
    rest = parts.pop()!
    if (parts.length > 0)
      yield parts.map((text) => ({ line: ++line, text: text.endsWith('\r') ? text.slice(0, -1) : text }))
  }
  if (rest !== '') yield [{ line: line + 1, text: rest }]
}

function decoderOf(label: string): TextDecoder {
  try {
    return new TextDecoder(label)
  } catch (cause) {
    throw new UsageError(`encoding ${JSON.stringify(label)} is not known`, {
      remedy: 'Give a name such as utf-8, utf-16le, windows-1252, iso-8859-2, gb18030, shift_jis or koi8-r.',
      cause,
    })
  }
}

function byMark(head: Uint8Array): string | undefined {
  if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) return 'utf-8'
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le'
  if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be'
  return undefined
}

/** UTF-16 without a mark: in text that is mostly Latin every second byte is zero. */
function byNulls(head: Uint8Array): string | undefined {
  const zeros = [0, 0]
  for (const [i, byte] of head.entries()) if (byte === 0) zeros[i % 2]! += 1
  const half = head.length / 2
  if (zeros[1]! > 0.4 * half && zeros[0]! < 0.1 * half) return 'utf-16le'
  if (zeros[0]! > 0.4 * half && zeros[1]! < 0.1 * half) return 'utf-16be'
  return undefined
}

interface Fault {
  readonly line: number
  readonly byte: number
  readonly around: string
}

/** The first byte that is not UTF-8; undefined where all are. */
async function firstFault(path: string): Promise<Fault | undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let line = 1
  // A piece may end within a letter: its first bytes wait here for the rest.
  let held: Uint8Array = new Uint8Array(0)
  for await (const chunk of readFileChunks(path)) {
    const bytes = concat(held, chunk)
    try {
      decoder.decode(chunk, { stream: true })
    } catch {
      return describeFault(bytes, line)
    }
    const end = lastLetter(bytes)
    line += count(bytes.subarray(0, end), 0x0a)
    held = bytes.slice(end)
  }
  try {
    decoder.decode()
    return undefined
  } catch {
    return describeFault(held, line)
  }
}

/** Of bytes that do not all decode and begin with a letter: the first that is at fault. */
function describeFault(bytes: Uint8Array, line: number): Fault {
  let at = 0
  while (at < bytes.length && isLetter(bytes, at)) at += letterLength(bytes[at]!)
  const from = Math.max(bytes.lastIndexOf(0x0a, at) + 1, at - 20)
  const end = bytes.indexOf(0x0a, at)
  const to = Math.min(end === -1 ? bytes.length : end, at + 20)
  const around = new TextDecoder(FALLBACK).decode(bytes.subarray(from, to)).trimEnd()
  return { line: line + count(bytes.subarray(0, at), 0x0a), byte: bytes[at]!, around }
}

function isLetter(bytes: Uint8Array, at: number): boolean {
  if (bytes[at]! < 0x80) return true
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(at, at + letterLength(bytes[at]!)))
    return true
  } catch {
    return false
  }
}

function letterLength(first: number): number {
  return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
}

/** Where the last letter begins. */
function lastLetter(bytes: Uint8Array): number {
  let at = Math.max(0, bytes.length - 1)
  while (at > 0 && (bytes[at]! & 0xc0) === 0x80) at--
  return at
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b
  const joined = new Uint8Array(a.length + b.length)
  joined.set(a)
  joined.set(b, a.length)
  return joined
}

function count(bytes: Uint8Array, value: number): number {
  let found = 0
  for (const byte of bytes) if (byte === value) found++
  return found
}
