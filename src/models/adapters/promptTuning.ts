/**
 * Prompt tuning (Lester et al. 2021, https://arxiv.org/abs/2104.08691; for images, shallow VPT, Jia et al. 2022,
 * https://arxiv.org/abs/2203.12119): P virtual tokens that go through the transformer with the others, and train.
 *
 *   [prompt; embed(input_ids)] of texts,   [embed(patches); prompt] of images        prompt (P, D)
 *
 * Behind the last attention the virtual tokens are cut off again, so that pooling sees the others alone. Drawn at first from
 * the vocabulary, or small. Not merged: the saved network holds the prompt.
 */
import { UsageError } from '../../base/errors.js'
import { attr, type Node } from '../../graph/graph.js'
import { float32, int64Vector } from '../../graph/tensor.js'
import { reads } from '../../onnx/names.js'
import { atSomeSize, checkShapes } from './innerShapes.js'
import type { AdapterJob, AdapterMethod } from './method.js'
import { firstStream, lastStream, type StreamEnd } from './stream.js'
import type { Surgery } from './surgery.js'
import { batchOf, lengthen, refusal, wordTable } from './tokenInputs.js'
import type { NetworkView } from './view.js'

export interface PromptTuningOptions {
  /** P. @default 16 */
  readonly tokens?: number
}

/** Standard deviation of the first prompt of an image. */
const SPREAD = 0.02

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
    build(job) {
      const { view, shapes, surgery } = job
      const [input] = view.model.graph.inputs
      const image = view.model.graph.inputs.length === 1 && input?.type === 'float32'
      if (view.attention.length === 0) throw refusal('it has no attention that is recognised')
      if (image) beside(job, tokens, input.name)
      else before(job, tokens)
      checkShapes('Prompt tuning', view.model, surgery.done({ valueInfo: false }), shapes)
      return { reshapes: true }
    },
  }
}

/**
 * In front of a text. The graph's inputs are lengthened by P placeholders, so that positions, masks and sizes follow by
 * themselves; P of the positions that the network knows are used up.
 */
function before(job: AdapterJob, tokens: number): void {
  const { view, surgery, random } = job
  const { graph } = view.model
  const words = wordTable(view)
  const [rows = 0, width = 0] = words.dims
  const embedded = words.gather.outputs[0] ?? ''
  const end = endOf(view, embedded)

  const lengthened = new Map<string, string>()
  for (const { name } of graph.inputs) lengthened.set(name, lengthen(view, surgery, name, words, tokens))
  surgery.rewire(
    graph.nodes.filter((node) => !end.behind.has(node)),
    lengthened,
  )
  keepShort(view, surgery, end, new Map(graph.inputs.map(({ name }) => [name, name])))

  const table = view.floats(words.parameter)
  const own = random.fork('prompt')
  const start = new Float32Array(tokens * width)
  for (let i = 0; i < tokens; i++) {
    const row = own.integer(rows)
    start.set(table.subarray(row * width, (row + 1) * width), i * width)
  }
  const prompt = surgery.parameter('prompt_embeddings', float32([tokens, width], start), words.gather)
  surgery.after(embedded, (value, into) => {
    const virtual = repeated(surgery, prompt, [tokens, width], words.input)
    surgery.op('Concat', [virtual, surgery.slice(value, 1, tokens)], { axis: attr.int(1) }, { into })
  })
  surgery.after(end.value, (value, into) => {
    surgery.slice(value, 1, tokens, undefined, { into })
  })
}

/** Behind the patches of an image, which have their positions already. */
function beside(job: AdapterJob, tokens: number, input: string): void {
  const { view, surgery, random, shapes } = job
  const first = firstStream(view, input)
  if (first === undefined) throw refusal('before its first attention there is no value through which all patches pass')
  const end = endOf(view, first)
  const inside = atSomeSize(view.model, shapes, [])
  const [, length, width, ...more] = inside.builder.shape(inside.value(first))
  if (length === undefined || width === undefined || more.length > 0)
    throw refusal(`what goes into its first attention, "${first}", is not of the shape (batch, tokens, width)`)
  const own = random.fork('prompt')
  const start = Float32Array.from({ length: tokens * width }, () => SPREAD * own.normal())
  const prompt = surgery.parameter('prompt_embeddings', float32([tokens, width], start), view.made.get(first))
  let short = ''
  surgery.after(first, (value, into) => {
    short = value
    surgery.op('Concat', [value, repeated(surgery, prompt, [tokens, width], value)], { axis: attr.int(1) }, { into })
  })
  keepShort(view, surgery, end, new Map([[first, short]]))
  surgery.after(end.value, (value, into) => {
    surgery.slice(value, 1, 0, -tokens, { into })
  })
}

function endOf(view: NetworkView, from: string): StreamEnd {
  const end = lastStream(view, from)
  if (end === undefined) throw refusal('behind its last attention there is no value through which all tokens pass')
  return end
}

/** For each sample of the batch. @param like a value whose first axis is the batch */
function repeated(surgery: Surgery, prompt: string, dims: readonly number[], like: string): string {
  const sizes = surgery.constant('graft.ints', int64Vector(dims))
  const shape = surgery.op('Concat', [batchOf(surgery, like), sizes], { axis: attr.int(0) })
  return surgery.op('Expand', [prompt, shape])
}

/**
 * What nodes behind the cut read besides the tokens themselves (masks, sizes) is computed again without the virtual ones.
 *
 * @param inputs the values that have become longer, with what they are without the virtual tokens
 */
function keepShort(
  view: NetworkView,
  surgery: Surgery,
  { value: cut, behind }: StreamEnd,
  inputs: ReadonlyMap<string, string>,
): void {
  const long = new Set(inputs.keys())
  for (const node of view.model.graph.nodes)
    if (reads(node).some((name) => long.has(name))) for (const output of node.outputs) long.add(output)
  const inner = view.model.graph.nodes.find((n) => [...n.attributes.values()].some((a) => a.kind === 'graph'))
  if (inner && reads(inner).some((name) => long.has(name) && !inner.inputs.includes(name)))
    throw refusal(`a graph inside [${inner.opType} ${inner.name}] reads the length of the input`)
  const made = new Set([...behind].flatMap((node) => node.outputs))
  const copies = new Map<string, string>(inputs)
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
  for (const node of behind as ReadonlySet<Node>)
    for (const input of node.inputs)
      if (long.has(input) && !made.has(input) && input !== cut) names.set(input, short(input))
  surgery.rewire(behind, names)
}
