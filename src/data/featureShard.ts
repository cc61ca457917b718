/**
 * One file of cached features: many records of float32 values with an index in front.
 *
 * Layout: `GRAFTFC1`, the index's length (uint32), CRC-32 of the index (uint32), the index as JSON, then the values of all
 * records in turn. The index holds the extractor's key, the byte order, and of each record its photo, its number of values
 * and their CRC-32. A file that was cut off, or an index that was damaged, is found on opening; a damaged record on reading.
 */
import { crc32, fileStatus, readFileRange } from '#platform'

const MAGIC = 'GRAFTFC1'
const PREFIX = 16
/** Most an index may take; a larger number in the file means that the file is damaged. */
const INDEX_LIMIT = 1 << 28

/** Where a record lies. */
export interface ShardRecord {
  readonly photo: string
  /** Bytes from the start of the file. */
  readonly offset: number
  /** Number of float32 values. */
  readonly length: number
  readonly checksum: number
}

interface Index {
  readonly extractor: string
  readonly littleEndian: boolean
  readonly records: readonly (readonly [photo: string, length: number, checksum: number])[]
}

const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** The file's whole content. */
export function encodeShard(extractor: string, records: ReadonlyMap<string, Float32Array>): Uint8Array {
  const entries = [...records].map(([photo, values]) => [photo, values.length, crc32(bytesOf(values))] as const)
  const index: Index = { extractor, littleEndian: LITTLE_ENDIAN, records: entries }
  const json = new TextEncoder().encode(JSON.stringify(index))
  const values = [...records.values()]
  const file = new Uint8Array(PREFIX + json.length + values.reduce((sum, v) => sum + v.byteLength, 0))
  file.set(new TextEncoder().encode(MAGIC))
  const view = new DataView(file.buffer)
  view.setUint32(8, json.length)
  view.setUint32(12, crc32(json))
  file.set(json, PREFIX)
  let at = PREFIX + json.length
  for (const value of values) {
    file.set(bytesOf(value), at)
    at += value.byteLength
  }
  return file
}

/** The index of a file; undefined where it is damaged, cut off, of another extractor or of another byte order. */
export async function readShardIndex(path: string, extractor?: string): Promise<ShardRecord[] | undefined> {
  const status = await fileStatus(path)
  if (status === undefined) return undefined
  const prefix = await readFileRange(path, 0, PREFIX)
  if (prefix.length < PREFIX || new TextDecoder('latin1').decode(prefix.subarray(0, 8)) !== MAGIC) return undefined
  const view = new DataView(prefix.buffer, prefix.byteOffset, PREFIX)
  const length = view.getUint32(8)
  if (length > INDEX_LIMIT || PREFIX + length > status.size) return undefined
  const json = await readFileRange(path, PREFIX, length)
  if (crc32(json) !== view.getUint32(12)) return undefined
  const index = JSON.parse(new TextDecoder().decode(json)) as Index
  if (index.littleEndian !== LITTLE_ENDIAN || (extractor !== undefined && index.extractor !== extractor))
    return undefined
  let offset = PREFIX + length
  const records = index.records.map(([photo, count, checksum]): ShardRecord => {
    const at = offset
    offset += 4 * count
    return { photo, offset: at, length: count, checksum }
  })
  return offset === status.size ? records : undefined
}

/** The values of a record from its bytes; undefined where they are damaged. */
export function decodeRecord(record: ShardRecord, bytes: Uint8Array): Float32Array | undefined {
  if (bytes.length !== 4 * record.length || crc32(bytes) !== record.checksum) return undefined
  const values = new Float32Array(record.length)
  bytesOf(values).set(bytes)
  return values
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}
