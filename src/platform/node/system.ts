/** What the machine and the user's settings say: processors, clock, folders, hashes. */
import { createHash, randomBytes } from 'node:crypto'
import { availableParallelism, homedir, tmpdir } from 'node:os'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { crc32 as zlibCrc32 } from 'node:zlib'
import { readFileChunks } from './files.js'

/** Processors this process may use. */
export function cpuCount(): number {
  return Math.max(1, availableParallelism())
}

/** Milliseconds on a clock that never goes back; only differences mean anything. */
export function now(): number {
  return performance.now()
}

/** Date and time in ISO 8601, UTC; for records only, never for results. */
export function timestamp(): string {
  return new Date().toISOString()
}

/** Resident memory of this process in bytes. */
export function residentMemory(): number {
  return process.memoryUsage.rss()
}

/** Bytes that this process can still take: what the system has free, or less where a container limits it. */
export function availableMemory(): number {
  return process.availableMemory()
}

export function environment(name: string): string | undefined {
  const value = process.env[name]
  return value === undefined || value === '' ? undefined : value
}

/** `GRAFT_CACHE`, else `graft` in `XDG_CACHE_HOME`, else `~/.cache/graft`; not made here. */
export function cacheDirectory(): string {
  const chosen = environment('GRAFT_CACHE')
  if (chosen !== undefined) return resolve(chosen)
  const shared = environment('XDG_CACHE_HOME')
  // The XDG specification says that a relative path there is to be ignored.
  if (shared !== undefined && isAbsolute(shared)) return join(shared, 'graft')
  return join(homedir(), '.cache', 'graft')
}

export function homeDirectory(): string {
  return homedir()
}

export function temporaryDirectory(): string {
  return tmpdir()
}

/** SHA-256 in lower-case hexadecimal. */
export function sha256(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex')
}

/** SHA-256 of a file that is read in pieces. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of readFileChunks(path)) hash.update(piece)
  return hash.digest('hex')
}

/** SHA-256 of pieces that are made one by one; each may be let go before the next is made. */
export async function sha256Pieces(pieces: Iterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for (const piece of pieces) {
    hash.update(piece)
    await yieldTurn()
  }
  return hash.digest('hex')
}

/** SHA-256 of several pieces in turn. */
export function sha256Of(pieces: Iterable<Uint8Array | string>): string {
  const hash = createHash('sha256')
  for (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

/** Lets timers, input and output have their turn. */
export function yieldTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** CRC-32 as in zip and PNG: finds accidents, not forgeries. */
export function crc32(content: Uint8Array): number {
  return zlibCrc32(content)
}

/** A name that nobody else uses, for files; never for results. */
export function uniqueName(): string {
  return `${process.pid}-${randomBytes(8).toString('hex')}`
}

/** The system's rules for paths. */
export const paths = {
  absolute: isAbsolute,
  base: basename,
  folder: dirname,
  join,
  resolve,
  relative,
  /** With `/` separators on every system. */
  portable: (path: string): string => (sep === '/' ? path : path.split(sep).join('/')),
} as const
