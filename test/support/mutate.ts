/** Damage to model files: at the level of bytes, and at that of what the file says. Everything follows from the choices given. */
import { decode, defaultBudget, encode } from '#graft/onnx/codec.js'
import type { Message } from '#graft/onnx/schema.js'
import { rows } from '#graft/ops/table.js'

/** One choice of a mutation: which, where, and with what. */
export interface Choice {
  readonly kind: number
  readonly at: number
  readonly with: number
}

type Graph = Message<'GraphProto'>

const OPERATORS = rows().map(({ opType }) => opType)

/** Numbers that break what does not expect them. */
const ODD = [
  0n,
  1n,
  -1n,
  2n,
  3n,
  7n,
  64n,
  65536n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n,
  2n ** 62n,
  -(2n ** 63n),
]

const pick = <T>(list: readonly T[] | undefined, at: number): T | undefined =>
  list === undefined || list.length === 0 ? undefined : list[at % list.length]
const odd = (at: number) => pick(ODD, at) as bigint

/** Changes to the bytes themselves. */
const BYTES: readonly ((bytes: Uint8Array, choice: Choice) => Uint8Array)[] = [
  (bytes, c) => bytes.map((b, i) => (i === c.at % bytes.length ? b ^ (1 << (c.with % 8)) : b)),
  (bytes, c) => bytes.map((b, i) => (i === c.at % bytes.length ? c.with % 256 : b)),
  (bytes, c) => bytes.subarray(0, c.at % bytes.length),
  // A range twice, one left out, one overwritten by another.
  (bytes, c) => joined(bytes.subarray(0, (c.at % bytes.length) + (c.with % 64)), bytes.subarray(c.at % bytes.length)),
  (bytes, c) => joined(bytes.subarray(0, c.at % bytes.length), bytes.subarray((c.at % bytes.length) + (c.with % 64))),
  (bytes, c) => {
    const out = bytes.slice()
    const from = c.with % bytes.length
    out.set(bytes.subarray(from, Math.min(from + 32, bytes.length - (c.at % bytes.length))), c.at % bytes.length)
    return out
  },
  // A varint that says a giant length, or never ends.
  (bytes, c) =>
    joined(
      bytes.subarray(0, c.at % bytes.length),
      Uint8Array.from([
        0xff,
        0xff,
        0xff,
        0xff,
        c.with % 2 ? 0x0f : 0xff,
        ...(c.with % 2 ? [] : new Array(8).fill(0xff)),
      ]),
      bytes.subarray(c.at % bytes.length),
    ),
]

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Changes to what the graph says. */
const MESSAGES: readonly ((graph: Graph, choice: Choice) => void)[] = [
  (graph, c) => rewire(graph, c, 'input'),
  (graph, c) => rewire(graph, c, 'output'),
  (graph, c) => {
    const node = pick(graph.node, c.at)
    if (node) node.opType = pick(OPERATORS, c.with) as string
  },
  (graph, c) => {
    graph.node?.splice(c.at % Math.max(graph.node.length, 1), 1)
  },
  (graph, c) => {
    const node = pick(graph.node, c.at)
    if (node) graph.node?.splice(c.with % graph.node.length, 0, { ...node, output: [`copy.${c.with}`] })
  },
  (graph, c) => {
    const node = pick(graph.node, c.at)
    node?.input?.splice(c.with % (node.input.length + 1), 1)
  },
  (graph, c) => {
    const node = pick(graph.node, c.at)
    node?.input?.push(pick(names(graph), c.with) ?? '')
  },
  (graph, c) => {
    const node = pick(graph.node, c.at)
    node?.output?.push(`extra.${c.with}`)
  },
  (graph, c) => {
    const tensor = pick(graph.initializer, c.at)
    if (tensor) tensor.dims = BigInt64Array.from(tensor.dims ?? [], (d, i) => (i === c.with % 3 ? odd(c.with) : d))
  },
  (graph, c) => {
    const tensor = pick(graph.initializer, c.at)
    if (tensor) tensor.dataType = c.with % 28
  },
  (graph, c) => {
    const tensor = pick(graph.initializer, c.at)
    // The numbers of shapes, axes and indices.
    if (tensor?.rawData && tensor.rawData.length >= 8 && tensor.dataType === 7) {
      tensor.rawData = tensor.rawData.slice()
      const view = new DataView(tensor.rawData.buffer, tensor.rawData.byteOffset)
      view.setBigInt64(8 * (c.with % Math.floor(tensor.rawData.length / 8)), odd(c.with), true)
    }
  },
  (graph, c) => {
    const dim = pick(pick(graph.input, c.at)?.type?.tensorType?.shape?.dim, c.with)
    if (dim) dim.dimValue = odd(c.with)
  },
  (graph, c) => {
    const type = pick(graph.input, c.at)?.type?.tensorType
    if (type) type.elemType = c.with % 28
  },
  (graph, c) => {
    pick(graph.input, c.at)?.type?.tensorType?.shape?.dim?.splice(c.with % 3, c.with % 2, {})
  },
  attribute((proto, c) => {
    if (proto.ints && proto.ints.length > 0) proto.ints[c.with % proto.ints.length] = odd(c.with)
    else if (proto.i !== undefined) proto.i = odd(c.with)
    else if (proto.f !== undefined)
      proto.f = pick([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e38], c.with) as number
  }),
  attribute((proto, c) => {
    if (proto.ints) proto.ints = BigInt64Array.from({ length: c.with % 9 }, (_, i) => odd(c.with + i))
  }),
  attribute((proto, c) => {
    proto.type = c.with % 16
  }),
  attribute((proto, c) => {
    proto.name = pick(
      ['axis', 'axes', 'perm', 'to', 'group', 'pads', 'strides', 'value', 'mode', 'body'],
      c.with,
    ) as string
  }),
  (graph, c) => {
    const [one, other] = [pick(graph.node, c.at), pick(graph.node, c.with)]
    if (one?.attribute) one.attribute = [...(other?.attribute ?? [])]
  },
  (graph, c) => {
    const output = pick(graph.output, c.at)
    if (output) output.name = pick(names(graph), c.with) ?? ''
  },
  (graph, c) => {
    const tensor = pick(graph.initializer, c.at)
    if (!tensor) return
    delete tensor.rawData
    tensor.dataLocation = 1
    tensor.externalData = [
      {
        key: 'location',
        value: pick(['../x', '/etc/passwd', 'C:x', 'x', '', '\\\\host\\x', 'a/../../x'], c.with) as string,
      },
      { key: 'offset', value: pick(['0', '-1', '99999999999999999999', 'x', '1e9'], c.at) as string },
    ]
  },
]

function attribute(edit: (proto: Message<'AttributeProto'>, choice: Choice) => void) {
  return (graph: Graph, c: Choice) => {
    const all = (graph.node ?? []).flatMap((node) => (node.attribute ?? []).map((_, i) => ({ node, i })))
    const found = pick(all, c.at)
    if (!found?.node.attribute) return
    const proto = decode('AttributeProto', found.node.attribute[found.i] as Uint8Array, defaultBudget())
    edit(proto, c)
    found.node.attribute[found.i] = encode('AttributeProto', proto)
  }
}

function rewire(graph: Graph, c: Choice, side: 'input' | 'output'): void {
  const list = pick(graph.node, c.at)?.[side]
  if (list && list.length > 0) list[c.with % list.length] = pick(names(graph), c.at * 31 + c.with) ?? ''
}

const names = (graph: Graph): string[] => [
  ...(graph.node ?? []).flatMap((node) => node.output ?? []),
  ...(graph.initializer ?? []).map((tensor) => tensor.name ?? ''),
  ...(graph.input ?? []).map((input) => input.name ?? ''),
  'nowhere',
  '',
]

export const KINDS = BYTES.length + MESSAGES.length

/** The file after all changes; those to its bytes come last, for they leave nothing that could be decoded. */
export function mutated(bytes: Uint8Array, choices: readonly Choice[]): Uint8Array {
  const messages = choices.filter((c) => c.kind % KINDS >= BYTES.length)
  let out = bytes
  if (messages.length > 0) {
    const proto = decode('ModelProto', bytes, defaultBudget())
    for (const choice of messages)
      if (proto.graph) MESSAGES[(choice.kind % KINDS) - BYTES.length]?.(proto.graph, choice)
    out = encode('ModelProto', proto)
  }
  for (const choice of choices) if (out.length > 0) out = BYTES[choice.kind % KINDS]?.(out, choice) ?? out
  return out
}
