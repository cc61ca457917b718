/** The inputs of a network for texts, told by how they are used: ids, types, positions and masks; and longer ones of each. */
import { GraftError } from '../../base/errors.js'
import { constantFinder } from '../../graph/constants.js'
import { attr, intAttribute, type Node } from '../../graph/graph.js'
import { int64, int64Vector, toNumbers } from '../../graph/tensor.js'
import type { Surgery } from './surgery.js'
import type { NetworkView } from './view.js'

export const refusal = (reason: string): GraftError =>
  new GraftError(`Prompt tuning does not fit this network: ${reason}.`, {
    remedy: 'Take LoRA, which needs only layers and changes no lengths.',
  })

/** The size of the first axis as a vector of one number. */
export const batchOf = (surgery: Surgery, value: string): string => surgery.slice(surgery.op('Shape', [value]), 0, 0, 1)

export interface WordTable {
  readonly gather: Node
  /** The graph input with the ids. */
  readonly input: string
  readonly parameter: string
  readonly dims: readonly number[]
}

/**
 * The largest table that is looked up with a graph input, (N, T).
 *
 * @throws GraftError where there is none
 */
export function wordTable(view: NetworkView): WordTable {
  const [first] = lookUps(view).sort((a, b) => (b.dims[0] ?? 0) - (a.dims[0] ?? 0))
  if (first === undefined) throw refusal('it looks up no table of embeddings with one of its inputs')
  return first
}

/** Tables that are looked up with a graph input of token ids, types or positions. */
function lookUps(view: NetworkView): WordTable[] {
  const inputs = new Map(view.model.graph.inputs.map((input) => [input.name, input]))
  return view.model.graph.nodes.flatMap((gather) => {
    if (gather.opType !== 'Gather' || intAttribute(gather, 'axis', 0) !== 0) return []
    const table = view.parameters.find(({ readBy }) => readBy.includes(gather))
    let input = gather.inputs[1] ?? ''
    for (let node = view.made.get(input); node?.opType === 'Cast' || node?.opType === 'Identity'; ) {
      input = node.inputs[0] ?? ''
      node = view.made.get(input)
    }
    if (table?.tensor.dims.length !== 2 || inputs.get(input)?.shape?.length !== 2) return []
    return [{ gather, input, parameter: table.value, dims: table.tensor.dims }]
  })
}

/** A table of no more rows is one of token types, not of positions. */
const MOST_TYPES = 16

/**
 * A graph input with placeholders before its tokens: some id that is no padding, type 0, the positions 0 to P - 1 before all
 * others moved on by P, a mask of ones.
 *
 * @throws GraftError where the input is not one number a token
 */
export function lengthen(view: NetworkView, surgery: Surgery, name: string, words: WordTable, tokens: number): string {
  const info = view.model.graph.inputs.find((input) => input.name === name)
  if (info?.shape?.length !== 2) throw refusal(`its input "${name}" is not of the shape (batch, tokens)`)
  const { type } = info
  if (type !== 'int64' && type !== 'int32') throw refusal(`its input "${name}" is ${type}; expected whole numbers`)
  if (info.shape.some((d) => typeof d === 'number')) throw refusal(`its input "${name}" was exported at a fixed size`)
  const typed = (dims: readonly number[], values: readonly number[]) =>
    type === 'int64' ? int64(dims, values) : { type, dims, data: Int32Array.from(values) }
  const row = (values: readonly number[]) => {
    const sizes = surgery.constant('graft.ints', int64Vector([values.length]))
    const shape = surgery.op('Concat', [batchOf(surgery, name), sizes], { axis: attr.int(0) })
    const placeholders = surgery.constant('graft.placeholders', typed([1, values.length], values))
    return surgery.op('Expand', [placeholders, shape])
  }
  const joined = (first: string, rest: string) => surgery.op('Concat', [first, rest], { axis: attr.int(1) })
  const all = (value: number) => joined(row(new Array<number>(tokens).fill(value)), name)
  const table = lookUps(view).find(({ input }) => input === name)
  if (name === words.input) return all(placeholder(view, words))
  if (table === undefined) return all(1)
  if ((table.dims[0] ?? 0) <= MOST_TYPES) return all(0)
  const moved = surgery.op('Add', [name, surgery.constant('graft.shift', typed([], [tokens]))])
  return joined(row(Array.from({ length: tokens }, (_, i) => i)), moved)
}

/** The first id that the graph compares no token with: comparisons find padding. */
function placeholder(view: NetworkView, words: WordTable): number {
  const constant = constantFinder(view.model.graph)
  const compared = new Set(
    view.model.graph.nodes
      .filter((node) => node.opType === 'Equal' && node.inputs.includes(words.input))
      .flatMap((node) => node.inputs.flatMap((input) => toNumbers(constant(input) ?? int64Vector([])))),
  )
  let id = 0
  while (compared.has(id)) id++
  return id
}
