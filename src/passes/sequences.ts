/**
 * Sequences and optional values, resolved while a model is read: exporters use them to pass the parts of a split, and how
 * many there are is known once shapes are. In a program only their tensors are left.
 */
import { GraftError } from '../base/errors.js'
import { attr, describeNode, intAttribute, type Node } from '../graph/graph.js'
import { sizeOf, toNumbers } from '../graph/tensor.js'
import type { GraphBuilder } from '../ops/builder.js'
import { reshape } from '../ops/emit.js'
import { normaliseAxis } from '../ops/operator.js'
import { type Absent, type Item, inline, type Replayer, type Scope, type Sequence, subgraph, within } from './scope.js'

interface Context {
  readonly replay: Replayer
  readonly scope: Scope
  readonly g: GraphBuilder
  readonly node: Node
  readonly inputs: readonly Item[]
  has(i: number): boolean
  tensor(i: number): string
  sequence(i: number): readonly string[]
  /** The numbers of input i, which must be known before running. */
  numbers(i: number): readonly number[]
  fail(message: string, remedy?: string): never
}

type Reader = (c: Context) => readonly Item[]

const sequence = (items: readonly string[]): Sequence => ({ kind: 'sequence', items })
const absent: Absent = { kind: 'absent', type: undefined }

/** A position in a sequence, counted from the end where negative; `last` is the largest that is allowed. */
function position(c: Context, i: number, length: number, last: number): number {
  const given = c.numbers(i)[0] as number
  const at = given < 0 ? given + length : given
  if (at < 0 || at > last) return c.fail(`takes position ${given} of a sequence of ${length}`)
  return at
}

/** Sizes of the pieces: a list, or one number for all (the last may be smaller); 1 where nothing is said. */
function pieceSizes(c: Context, d: number): readonly number[] {
  if (!c.has(1)) return new Array<number>(d).fill(1)
  const given = c.numbers(1)
  if (c.g.shape(c.tensor(1)).length > 0) {
    const total = given.reduce((a, b) => a + b, 0)
    if (total !== d || given.some((s) => s < 0)) return c.fail(`splits ${d} into (${given}), which do not add up`)
    return given
  }
  const size = given[0] as number
  if (!(size > 0)) return c.fail(`splits into pieces of ${size}`)
  return Array.from({ length: Math.ceil(d / size) }, (_, i) => Math.min(size, d - i * size))
}

/** The pieces of a value along an axis, by one Split: its gradient is one Concat. */
export function pieces(g: GraphBuilder, value: string, axis: number, sizes: readonly number[]): readonly string[] {
  if (sizes.length < 2) return sizes.map(() => value)
  return g.multi('Split', [value, g.ints(sizes)], { axis: attr.int(axis) }, sizes.length)
}

function split(c: Context): readonly Item[] {
  const value = c.tensor(0)
  const shape = c.g.shape(value)
  const axis = normaliseAxis(intAttribute(c.node, 'axis', 0), shape.length, c.fail)
  const parts = pieces(c.g, value, axis, pieceSizes(c, shape[axis] as number))
  const drop = !c.has(1) && intAttribute(c.node, 'keepdims', 1) === 0
  const without = shape.filter((_, i) => i !== axis)
  return [sequence(drop ? parts.map((part) => reshape(c.g, part, without)) : parts)]
}

function concatenate(c: Context): readonly Item[] {
  const items = c.sequence(0)
  const [first] = items
  if (first === undefined) return c.fail('joins an empty sequence')
  const stack = intAttribute(c.node, 'new_axis', 0) === 1
  const rank = c.g.shape(first).length + (stack ? 1 : 0)
  if (!c.node.attributes.has('axis')) return c.fail('has no axis')
  const axis = normaliseAxis(intAttribute(c.node, 'axis', 0), rank, c.fail)
  return [stack ? stacked(c.g, items, axis) : joined(c.g, items, axis)]
}

export const joined = (g: GraphBuilder, items: readonly string[], axis: number): string =>
  items.length === 1 ? (items[0] as string) : g.op('Concat', items, { axis: attr.int(axis) })

/** Values of one shape along a new axis. */
export function stacked(g: GraphBuilder, items: readonly string[], axis: number): string {
  const slices = items.map((item) => {
    const shape = g.shape(item)
    return reshape(g, item, [...shape.slice(0, axis), 1, ...shape.slice(axis)])
  })
  return joined(g, slices, axis)
}

/** The body once for each position of the first sequence; other sequences are read in step, tensors as they are. */
function map(c: Context): readonly Item[] {
  const body = subgraph(c.node, 'body', c.fail)
  const outputs: string[][] = body.outputs.map(() => [])
  c.sequence(0).forEach((_, i) => {
    const scope = within(c.replay, c.scope, body, {
      prefix: `${c.node.outputs.find((o) => o !== '')}/${i}/`,
      where: `It stands in the body of ${describeNode(c.node)}, at position ${i}.`,
    })
    const given = body.inputs.map(({ name }, k): readonly [string, Item] => {
      const item = c.inputs[k] ?? ''
      if (typeof item === 'string' || item.kind === 'absent') return [name, item]
      return [name, item.items[i] ?? c.fail(`is given sequences of different lengths`)]
    })
    inline(c.replay, scope, given).forEach((item, k) => {
      outputs[k]?.push(typeof item === 'string' ? item : c.fail('makes sequences of sequences'))
    })
  })
  return outputs.map(sequence)
}

const READERS: Readonly<Record<string, Reader>> = {
  SplitToSequence: split,
  SequenceConstruct: (c) => [sequence(c.inputs.map((_, i) => c.tensor(i)))],
  SequenceEmpty: () => [sequence([])],
  SequenceAt: (c) => {
    const items = c.sequence(0)
    return [items[position(c, 1, items.length, items.length - 1)] as string]
  },
  SequenceInsert: (c) => {
    const items = c.sequence(0)
    const at = c.has(2) ? position(c, 2, items.length, items.length) : items.length
    return [sequence([...items.slice(0, at), c.tensor(1), ...items.slice(at)])]
  },
  SequenceErase: (c) => {
    const items = c.sequence(0)
    const at = c.has(1) ? position(c, 1, items.length, items.length - 1) : items.length - 1
    return [sequence(items.filter((_, i) => i !== at))]
  },
  SequenceLength: (c) => [
    c.g.constant({ type: 'int64', dims: [], data: BigInt64Array.of(BigInt(c.sequence(0).length)) }),
  ],
  ConcatFromSequence: concatenate,
  SequenceMap: map,
  Optional: (c) => [c.inputs[0] === undefined || c.inputs[0] === '' ? absent : c.inputs[0]],
  OptionalHasElement: (c) => {
    const [item] = c.inputs
    const holds = item !== undefined && item !== '' && (typeof item === 'string' || item.kind !== 'absent')
    return [c.g.constant({ type: 'bool', dims: [], data: Uint8Array.of(holds ? 1 : 0) })]
  },
  OptionalGetElement: (c) => {
    const [item] = c.inputs
    if (item === undefined || item === '' || (typeof item !== 'string' && item.kind === 'absent'))
      return c.fail('takes the element of an optional value that holds nothing')
    return [item]
  },
}

export const SEQUENCE_OPERATORS: readonly string[] = Object.keys(READERS)

/** Whether the operator makes or takes sequences or optional values. */
export const isSequenceOperator = ({ domain, opType }: Node): boolean => domain === '' && Object.hasOwn(READERS, opType)

/** Whether the node is read here: its operator is one of these, or it hands a sequence on. */
export const readsSequences = (node: Node, inputs: readonly Item[]): boolean =>
  isSequenceOperator(node) || (node.domain === '' && node.opType === 'Identity' && typeof inputs[0] === 'object')

export function readSequence(replay: Replayer, scope: Scope, node: Node, inputs: readonly Item[]): readonly Item[] {
  const { g } = replay
  const fail = (message: string, remedy?: string): never => {
    throw new GraftError(`${describeNode(node)} ${message}.`, remedy === undefined ? {} : { remedy })
  }
  const tensor = (i: number): string => {
    const item = inputs[i] ?? ''
    if (item === '') return fail(`lacks its input ${i}`)
    return typeof item === 'string' ? item : fail(`takes "${node.inputs[i]}", which is no tensor`)
  }
  if (node.opType === 'Identity') return [inputs[0] as Item]
  return (READERS[node.opType] as Reader)({
    replay,
    scope,
    g,
    node,
    inputs,
    has: (i) => (inputs[i] ?? '') !== '',
    tensor,
    sequence: (i) => {
      const item = inputs[i]
      if (typeof item === 'object' && item.kind === 'sequence') return item.items
      return fail(`takes "${node.inputs[i] ?? ''}" as a sequence, which it is not`)
    },
    numbers: (i) => {
      const value = g.valueOf(tensor(i))
      if (value && sizeOf(value.dims) > 0) return toNumbers(value)
      return fail(
        `takes "${node.inputs[i]}" as a position or size that is computed from the data while running`,
        'Export the model so that lists are taken apart at fixed positions.',
      )
    },
    fail,
  })
}
