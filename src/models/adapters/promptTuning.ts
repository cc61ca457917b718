/**
 * Prompt tuning (Lester et al. 2021, https://arxiv.org/abs/2104.08691): P virtual tokens before those of the text, whose
 * embeddings train.
 *
 *   E = [prompt; embed(input_ids)]        prompt (P, D), drawn from the vocabulary at first
 *
 * The graph's inputs are lengthened by P placeholders, so that positions, masks and sizes follow by themselves; behind the
 * last attention the virtual tokens are cut off again, so that pooling sees the text alone. P tokens of the positions that
 * the network knows are used up. Not merged: the saved network holds the prompt.
 */
import { GraftError, UsageError } from '../../base/errors.js'
import { constantFinder } from '../../graph/constants.js'
import { attr, intAttribute, type Node } from '../../graph/graph.js'
import { float32, int64, int64Vector, toNumbers } from '../../graph/tensor.js'
import { reads } from '../../onnx/names.js'
import { checkShapes } from './innerShapes.js'
import type { AdapterJob, AdapterMethod, BuiltAdapter } from './method.js'
import { lastStream, type StreamEnd } from './stream.js'
import type { Surgery } from './surgery.js'
import type { NetworkView } from './view.js'

export interface PromptTuningOptions {
  /** P. @default 16 */
  readonly tokens?: number
}

/** @throws UsageError where `tokens` is no whole number of at least 1 */
export function promptTuning(options: PromptTuningOptions = {}): AdapterMethod {
  const { tokens = 16 } = options
  if (!Number.isInteger(tokens) || tokens < 1)
    throw new UsageError(`prompt-tuning: ${tokens} tokens; expected a whole number of at least 1.`)
  return {
    name: 'prompt-tuning',
    options: { tokens },
    reservedTokens: tokens,
    touches: () => [],
    build: (job) => build(job, tokens),
  }
}

const refusal = (reason: string) =>
  new GraftError(`Prompt tuning does not fit this network: ${reason}.`, {
    remedy: 'Take prefix tuning or LoRA, which do not change the length of the text.',
  })

function build(job: AdapterJob, tokens: number): BuiltAdapter {
  const { view, surgery, random, shapes } = job
  const { graph } = view.model
  const words = wordTable(view)
  const [rows = 0, width = 0] = words.dims
  const end = lastStream(view, words.gather.outputs[0] ?? '')
  if (end === undefined)
    throw refusal('behind its last attention there is no value through which all of the text passes')

  const lengthened = new Map<string, string>()
  for (const { name } of graph.inputs) {
    const long = lengthen(view, surgery, name, words, tokens)
    if (long !== undefined) lengthened.set(name, long)
  }
  surgery.rewire(
    graph.nodes.filter((node) => !end.behind.has(node)),
    lengthened,
  )
  keepShort(view, surgery, end, new Set(lengthened.keys()))

  const table = view.floats(words.parameter)
  const own = random.fork('prompt')
  const start = new Float32Array(tokens * width)
  for (let i = 0; i < tokens; i++) {
    const row = own.integer(rows)
    start.set(table.subarray(row * width, (row + 1) * width), i * width)
  }
  const prompt = surgery.parameter('prompt_embeddings', float32([tokens, width], start), words.gather)
  surgery.after(words.gather.outputs[0] ?? '', (before, into) => {
    const shape = surgery.op('Concat', [batchOf(surgery, words.input), ints(surgery, [tokens, width])], zeroAxis)
    const virtual = surgery.op('Expand', [prompt, shape])
    surgery.op('Concat', [virtual, surgery.slice(before, 1, tokens)], { axis: attr.int(1) }, { into })
  })
  surgery.after(end.value, (before, into) => {
    surgery.slice(before, 1, tokens, undefined, { into })
  })
  checkShapes('Prompt tuning', view.model, surgery.done({ valueInfo: false }), shapes)
  return { reshapes: true }
}

const zeroAxis = { axis: attr.int(0) }
const ints = (surgery: Surgery, values: readonly number[]) => surgery.constant('graft.ints', int64Vector(values))
/** The batch of a graph input as a vector of one number. */
const batchOf = (surgery: Surgery, input: string) => surgery.slice(surgery.op('Shape', [input]), 0, 0, 1)

interface WordTable {
  readonly gather: Node
  /** The graph input with the ids. */
  readonly input: string
  readonly parameter: string
  readonly dims: readonly number[]
}

/** The largest table that is looked up with a graph input, (N, T). */
function wordTable(view: NetworkView): WordTable {
  const found = lookUps(view).sort((a, b) => (b.dims[0] ?? 0) - (a.dims[0] ?? 0))
  const [first] = found
  if (first === undefined) throw refusal('it looks up no table of embeddings with one of its inputs')
  return first
}

/** Tables that are looked up with a graph input of token ids, types or positions. */
function lookUps(view: NetworkView): WordTable[] {
  const inputs = new Map(view.model.graph.inputs.map((input) => [input.name, input]))
  return view.model.graph.nodes.flatMap((gather) => {
    if (gather.opType !== 'Gather' || intAttribute(gather, 'axis', 0) !== 0) return []
    const table = view.parameters.find(({ readBy, value }) => readBy.includes(gather) && value !== '')
    let input = gather.inputs[1] ?? ''
    for (let node = view.made.get(input); node?.opType === 'Cast' || node?.opType === 'Identity'; ) {
      input = node.inputs[0] ?? ''
      node = view.made.get(input)
    }
    const found = inputs.get(input)
    if (table === undefined || table.tensor.dims.length !== 2 || found?.shape?.length !== 2) return []
    return [{ gather, input, parameter: table.value, dims: table.tensor.dims }]
  })
}

/** Types of tokens, as opposed to positions. */
const MOST_TYPES = 16

/** A graph input with P placeholders before its tokens; undefined for one that is not of tokens. */
function lengthen(
  view: NetworkView,
  surgery: Surgery,
  name: string,
  words: WordTable,
  tokens: number,
): string | undefined {
  const info = view.model.graph.inputs.find((input) => input.name === name)
  if (info?.shape?.length !== 2) throw refusal(`its input "${name}" is not of the shape (batch, tokens)`)
  if (info.type !== 'int64' && info.type !== 'int32')
    throw refusal(`its input "${name}" is ${info.type}; expected whole numbers`)
  if (info.shape.some((d) => typeof d === 'number')) throw refusal(`its input "${name}" was exported at a fixed size`)
  const table = lookUps(view).find(({ input }) => input === name)
  const row = (values: readonly number[]) => {
    const tensor = int64([1, values.length], values)
    const typed = info.type === 'int64' ? tensor : { ...tensor, type: info.type, data: Int32Array.from(values) }
    const shape = surgery.op('Concat', [batchOf(surgery, name), ints(surgery, [values.length])], zeroAxis)
    return surgery.op('Expand', [surgery.constant('graft.placeholders', typed), shape])
  }
  const joined = (before: string, after: string) => surgery.op('Concat', [before, after], { axis: attr.int(1) })
  const all = (value: number) => joined(row(new Array<number>(tokens).fill(value)), name)
  if (name === words.input) return all(placeholder(view, words))
  if (table === undefined) return all(1)
  if ((table.dims[0] ?? 0) <= MOST_TYPES) return all(0)
  const shift = surgery.constant('graft.shift', {
    type: info.type,
    dims: [],
    data: info.type === 'int64' ? BigInt64Array.of(BigInt(tokens)) : Int32Array.of(tokens),
  })
  return joined(row(Array.from({ length: tokens }, (_, i) => i)), surgery.op('Add', [name, shift]))
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

/** What nodes behind the cut read of the inputs besides the text itself (masks, sizes) is computed again at its own length. */
function keepShort(
  view: NetworkView,
  surgery: Surgery,
  { value: cut, behind }: StreamEnd,
  inputs: ReadonlySet<string>,
): void {
  const long = new Set(inputs)
  for (const node of view.model.graph.nodes)
    if (reads(node).some((name) => long.has(name))) for (const output of node.outputs) long.add(output)
  const inner = view.model.graph.nodes.find((n) => [...n.attributes.values()].some((a) => a.kind === 'graph'))
  if (inner && reads(inner).some((name) => long.has(name) && !inner.inputs.includes(name)))
    throw refusal(`a graph inside [${inner.opType} ${inner.name}] reads the length of the text`)
  const made = new Set([...behind].flatMap((node) => node.outputs))
  const copies = new Map<string, string>()
  const short = (value: string): string => {
    const known = copies.get(value)
    if (known !== undefined) return known
    const node = view.made.get(value)
    if (node === undefined || !long.has(value)) return value
    if (view.attention.some((unit) => unit.node === node))
      throw refusal(`what attention gives is read behind its last block, by way of "${value}"`)
    const names = new Map(node.inputs.map((input) => [input, short(input)]))
    for (const [output, copy] of surgery.copy(node, names)) copies.set(output, copy)
    return copies.get(value) ?? value
  }
  const names = new Map<string, string>()
  for (const node of behind)
    for (const input of node.inputs)
      if (long.has(input) && !made.has(input) && !inputs.has(input) && input !== cut) names.set(input, short(input))
  surgery.rewire(behind, names)
}
