/** A file without a name that takes what memory should not hold: written once from front to back, then read in places. */
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GraftError, messageOf } from '../../base/errors.js'
import { uniqueName } from './system.js'

export interface SpillFile {
  /** Adds to the end, through a buffer. */
  append(bytes: Uint8Array): void
  /** Bytes that were added, from `offset`. Blocks its thread: the pages are warm, and a request to the pool takes longer. */
  read(offset: number, length: number): Uint8Array
  readonly size: number
}

const BUFFER = 1 << 20

/** Files are closed, and their space given back, when nobody holds them any more. */
const descriptors = new FinalizationRegistry<number>(closeSync)

/**
 * A new file in the system's folder for temporary files (`TMPDIR`). Its name is removed at once, so that nothing stays behind,
 * however the process ends.
 */
export function openSpillFile(): SpillFile {
  const path = join(tmpdir(), `graft-${uniqueName()}.tmp`)
  const failed = (cause: unknown) =>
    new GraftError(`${path}: cannot hold the rows that do not fit into memory (${messageOf(cause)})`, {
      remedy: 'Free some space there, or set TMPDIR to a folder on a larger disk.',
      cause,
    })
  let file: number
  try {
    file = openSync(path, 'wx+', 0o600)
    rmSync(path, { force: true })
  } catch (error) {
    throw failed(error)
  }
  const buffer = new Uint8Array(BUFFER)
  let buffered = 0
  let written = 0
  const write = (bytes: Uint8Array) => {
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at, written + at)
    } catch (error) {
      throw failed(error)
    }
    written += bytes.length
  }
  const flush = () => {
    if (buffered > 0) write(buffer.subarray(0, buffered))
    buffered = 0
  }
  const spill: SpillFile = {
    get size() {
      return written + buffered
    },
    append(bytes) {
      if (buffered + bytes.length > BUFFER) flush()
      if (bytes.length > BUFFER) return write(bytes)
      buffer.set(bytes, buffered)
      buffered += bytes.length
    },
    read(offset, length) {
      if (offset + length > written) flush()
      const found = new Uint8Array(length)
      for (let at = 0; at < length; ) {
        const count = readSync(file, found, at, length - at, offset + at)
        if (count === 0) throw failed(new Error(`${length} bytes from ${offset} were asked for, it has ${written}`))
        at += count
      }
      return found
    },
  }
  descriptors.register(spill, file)
  return spill
}
