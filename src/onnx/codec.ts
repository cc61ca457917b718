/**
 * Protobuf messages to and from bytes, driven by the table in schema.ts. The wire format itself is
 * `@bufbuild/protobuf`'s. `bytes` fields are views into the input; nothing large is copied when reading, and once when
 * writing. Errors are plain; the reader turns them into messages for a person.
 */

import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { GraftError } from '../base/errors.js'
import { type Message, type MessageName, type PackedKind, SCHEMA, type ScalarKind } from './schema.js'

/** A bound on what one file may make us build: a few bytes can ask for an object of a hundred. */
export interface Budget {
  objects: number
}

export const defaultBudget = (): Budget => ({ objects: 1_000_000 })

interface FieldPlan {
  readonly key: string
  readonly number: number
  readonly kind: string
  readonly repeated: boolean
}

type Loose = Record<string, unknown>

const PLANS = new Map<string, { byNumber: Map<number, FieldPlan>; fields: FieldPlan[] }>(
  Object.entries(SCHEMA).map(([name, fields]) => {
    const plans = Object.entries(fields as Record<string, readonly [number, string, 'repeated'?]>).map(
      ([key, [number, kind, repeated]]): FieldPlan => ({ key, number, kind, repeated: repeated !== undefined }),
    )
    return [name, { byNumber: new Map(plans.map((p) => [p.number, p])), fields: plans }]
  }),
)

const WIRE: Record<ScalarKind, WireType> = {
  int32: WireType.Varint,
  int64: WireType.Varint,
  uint64: WireType.Varint,
  float: WireType.Bit32,
  double: WireType.Bit64,
  string: WireType.LengthDelimited,
  bytes: WireType.LengthDelimited,
}

const PACKED = {
  int32: Int32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float: Float32Array,
  double: Float64Array,
} satisfies Record<PackedKind, unknown>

type PackedArray = Int32Array | BigInt64Array | BigUint64Array | Float32Array | Float64Array

const isScalar = (kind: string): kind is ScalarKind => kind in WIRE
const isPacked = (kind: string): kind is PackedKind => kind in PACKED

// --- reading ----------------------------------------------------------------------------------------------------------

/** @throws Error where the bytes are not such a message, or hold more objects than the budget has left. */
export function decode<N extends MessageName>(name: N, bytes: Uint8Array, budget: Budget): Message<N> {
  return decodeLoose(name, new BinaryReader(bytes), bytes.length, budget) as Message<N>
}

/** The message from the reader's place to `end`. One reader goes through all messages in one another: making them costs. */
function decodeLoose(name: string, reader: BinaryReader, end: number, budget: Budget): Loose {
  const plan = PLANS.get(name)
  if (!plan) throw new Error(`no message ${name} in the schema`)
  const message: Loose = {}
  let numbers: Map<FieldPlan, PackedArray[]> | undefined
  while (reader.pos < end) {
    const [number, wireType] = reader.tag()
    const field = plan.byNumber.get(number)
    if (!field) reader.skip(wireType, number)
    else if (--budget.objects < 0) throw new Error('the file describes too many objects')
    else if (field.repeated && isPacked(field.kind)) {
      const part = readNumbers(reader, field, wireType, name)
      numbers ??= new Map()
      const parts = numbers.get(field)
      if (parts) parts.push(part)
      else numbers.set(field, [part])
    } else {
      const value = readOne(reader, field, wireType, name, budget)
      if (field.repeated) {
        const list = message[field.key] as unknown[] | undefined
        if (list) list.push(value)
        else message[field.key] = [value]
      } else message[field.key] = value
    }
    if (reader.pos > end) throw new Error(`${name}.${field?.key ?? number} ends too early`)
  }
  if (numbers) for (const [field, parts] of numbers) message[field.key] = joined(parts)
  return message
}

function expectWire(found: WireType, expected: WireType, field: FieldPlan, message: string): void {
  if (found !== expected) throw new Error(`${message}.${field.key} has wire type ${found}, expected ${expected}`)
}

function readOne(reader: BinaryReader, field: FieldPlan, wireType: WireType, message: string, budget: Budget): unknown {
  if (!isScalar(field.kind)) {
    expectWire(wireType, WireType.LengthDelimited, field, message)
    const length = reader.uint32()
    const end = reader.pos + length
    if (end > reader.len) throw new Error(`${message}.${field.key} ends too early`)
    return decodeLoose(field.kind, reader, end, budget)
  }
  expectWire(wireType, WIRE[field.kind], field, message)
  return readScalar(reader, field.kind)
}

function readScalar(reader: BinaryReader, kind: ScalarKind): unknown {
  switch (kind) {
    case 'int32':
      return reader.int32()
    case 'int64':
      return BigInt(reader.int64())
    case 'uint64':
      return BigInt(reader.uint64())
    case 'float':
      return reader.float()
    case 'double':
      return reader.double()
    case 'string':
      return reader.string(true)
    case 'bytes':
      return reader.bytes()
  }
}

/** One element, or a packed run of them: both are legal for every repeated number. */
function readNumbers(reader: BinaryReader, field: FieldPlan, wireType: WireType, message: string): PackedArray {
  const kind = field.kind as PackedKind
  if (wireType !== WireType.LengthDelimited) {
    expectWire(wireType, WIRE[kind], field, message)
    const value = readScalar(reader, kind)
    return kind === 'int64' || kind === 'uint64' ? PACKED[kind].of(value as bigint) : PACKED[kind].of(value as number)
  }
  const run = reader.bytes()
  if (kind === 'float' || kind === 'double') {
    const width = kind === 'float' ? 4 : 8
    if (run.length % width !== 0)
      throw new Error(`${message}.${field.key} holds ${run.length} bytes, not a multiple of ${width}`)
    const copy = new Uint8Array(run)
    return new PACKED[kind](copy.buffer, 0, run.length / width)
  }
  // Every varint ends with the one byte whose high bit is clear: that gives the exact count before decoding.
  let count = 0
  for (const byte of run) if (byte < 0x80) count++
  const inner = new BinaryReader(run)
  if (kind === 'int32') {
    const out = new Int32Array(count)
    for (let i = 0; i < count; i++) out[i] = inner.int32()
    return finished(out, inner, field, message)
  }
  const out = kind === 'int64' ? new BigInt64Array(count) : new BigUint64Array(count)
  for (let i = 0; i < count; i++) out[i] = BigInt(kind === 'int64' ? inner.int64() : inner.uint64())
  return finished(out, inner, field, message)
}

function finished<T extends PackedArray>(out: T, reader: BinaryReader, field: FieldPlan, message: string): T {
  if (reader.pos !== reader.len) throw new Error(`${message}.${field.key} ends inside a number`)
  return out
}

function joined(parts: readonly PackedArray[]): PackedArray {
  const first = parts[0] as PackedArray
  if (parts.length === 1) return first
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  const out = new (first.constructor as new (size: number) => PackedArray)(size)
  let at = 0
  for (const part of parts) {
    ;(out as Float64Array).set(part as Float64Array, at)
    at += part.length
  }
  return out
}

// --- writing ----------------------------------------------------------------------------------------------------------

/** Bytes fields at least this long are kept as references until the one final copy. */
const LARGE = 4096

interface Encoded {
  readonly pieces: Uint8Array[]
  readonly size: number
}

/**
 * @param limit in bytes
 * @throws GraftError where the message is larger
 */
export function encode<N extends MessageName>(
  name: N,
  message: Message<N>,
  limit = Number.POSITIVE_INFINITY,
): Uint8Array {
  const { pieces, size } = encodeLoose(name, message as Loose)
  if (size > limit)
    throw new GraftError(`The ${name} takes ${size} bytes; protobuf allows ${limit}.`, {
      remedy: 'Use a smaller network.',
    })
  if (pieces.length === 1) return pieces[0] as Uint8Array
  const out = new Uint8Array(size)
  let at = 0
  for (const piece of pieces) {
    out.set(piece, at)
    at += piece.length
  }
  return out
}

function encodeLoose(name: string, message: Loose): Encoded {
  const pieces: Uint8Array[] = []
  let size = 0
  let writer = new BinaryWriter()
  const push = (piece: Uint8Array) => {
    if (piece.length === 0) return
    pieces.push(piece)
    size += piece.length
  }
  const reference = (large: readonly Uint8Array[]) => {
    push(writer.finish())
    writer = new BinaryWriter()
    for (const piece of large) push(piece)
  }
  for (const field of PLANS.get(name)?.fields ?? []) {
    const value = message[field.key]
    if (value === undefined) continue
    if (field.repeated && isPacked(field.kind)) {
      writeNumbers(writer, field, value as PackedArray)
      continue
    }
    for (const item of field.repeated ? (value as unknown[]) : [value]) {
      if (!isScalar(field.kind)) {
        const inner = encodeLoose(field.kind, item as Loose)
        writer.tag(field.number, WireType.LengthDelimited).uint32(inner.size)
        if (inner.size < LARGE) for (const piece of inner.pieces) writer.raw(piece)
        else reference(inner.pieces)
      } else if (field.kind === 'bytes' && (item as Uint8Array).length >= LARGE) {
        writer.tag(field.number, WireType.LengthDelimited).uint32((item as Uint8Array).length)
        reference([item as Uint8Array])
      } else {
        writer.tag(field.number, WIRE[field.kind])
        writeScalar(writer, field.kind, item)
      }
    }
  }
  push(writer.finish())
  return { pieces, size }
}

/** Not packed: onnx.proto packs only the tensors' typed data, which Graft never writes. */
function writeNumbers(writer: BinaryWriter, field: FieldPlan, values: PackedArray): void {
  for (const value of values) {
    writer.tag(field.number, WIRE[field.kind as PackedKind])
    writeScalar(writer, field.kind as PackedKind, value)
  }
}

function writeScalar(writer: BinaryWriter, kind: ScalarKind, value: unknown): void {
  switch (kind) {
    case 'int32':
      writer.int32(value as number)
      return
    case 'int64':
      writer.int64(value as bigint)
      return
    case 'uint64':
      writer.uint64(value as bigint)
      return
    case 'float':
      writer.float(value as number)
      return
    case 'double':
      writer.double(value as number)
      return
    case 'string':
      writer.string(value as string)
      return
    case 'bytes':
      writer.bytes(value as Uint8Array)
      return
  }
}
