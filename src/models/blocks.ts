/**
 * A network cut into blocks from input to output, for unfreezing from the top and for rates by depth. Decided by the
 * shape of the graph alone: residual and branching units are blocks, plain chains are grouped into units of a few layers.
 *
 * The cuts are articulation points: values through which every path from the input to the output passes. Where there are
 * several inputs, the paths of one count: an attention mask, which every layer reads, would leave no cut.
 */
import type { Graph, Model, Node } from '../graph/graph.js'
import { producers } from '../graph/graph.js'
import { listParameters } from './parameters.js'
import { dataFlow, weightFinder } from './weights.js'

export interface Block {
  /** `stem`, then `block.1`, `block.2`, ... in the order of the computation. */
  readonly name: string
  readonly nodes: readonly Node[]
  /** `Parameter.value` of what this block reads first. */
  readonly parameters: readonly string[]
  /** The value that ends the block; the one way on to the next. */
  readonly output: string
}

/** More blocks than this are joined two by two. */
const MOST = 40
/** Fewer blocks than this in a network of many layers means that its graph has no cuts; it is split by depth. */
const FEWEST = 4
/** Convolutions that mix channels in one unit of a plain chain. */
const CHAIN = 2

/** Part of the graph between two articulation points. */
interface Cell {
  readonly nodes: Node[]
  readonly output: string
  readonly layers: readonly Node[]
  /** Several paths lead through it. */
  readonly branches: boolean
  /** They are joined by addition or concatenation: a residual unit, not a gate. */
  readonly joined: boolean
}

/**
 * @param output where the network is taken to end, such as its features; its first output by default
 */
export function findBlocks(model: Model, output = model.graph.outputs[0]?.name ?? ''): Block[] {
  const { graph } = model
  const isLayer = layerTest(graph)
  const found = bestCells(graph, output, isLayer)
  let groups = withEmbeddings(graph, group(found))
  if (groups.length < FEWEST) groups = byDepth(groups)
  groups = joinAttention(groups)
  while (groups.length > MOST) groups = inPairs(groups)
  return named(model, groups)
}

/** Nodes with a weight matrix or kernel of their own. */
const LAYERS = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'MatMulNBits', 'FusedMatMul', 'LSTM', 'GRU', 'RNN'])

/** The node that looks tokens up in a table of weights; in some files fused with what follows it. */
const isLookUp = (node: Node): boolean => node.opType === 'Gather' || node.opType === 'EmbedLayerNormalization'

function layerTest(graph: Graph): (node: Node) => boolean {
  const find = weightFinder(graph)
  const wide = (input: string | undefined) => input !== undefined && (find(input)?.tensor.dims.length ?? 0) >= 2
  return (node) => {
    if (node.opType === 'Gather') return wide(node.inputs[0])
    return (LAYERS.has(node.opType) || isLookUp(node)) && node.inputs.some(wide)
  }
}

/** Of all inputs together, or of the one whose paths have the most cuts between layers. */
function bestCells(graph: Graph, output: string, isLayer: (node: Node) => boolean): Cell[] {
  const names = graph.inputs.map((input) => input.name)
  const weighty = (found: readonly Cell[]) => found.filter((cell) => cell.layers.length > 0).length
  let best = cells(graph, output, isLayer, names)
  for (const name of names.length > 1 ? names : []) {
    const found = cells(graph, output, isLayer, [name])
    if (weighty(found) > weighty(best)) best = found
  }
  return best
}

function cells(graph: Graph, output: string, isLayer: (node: Node) => boolean, from: readonly string[]): Cell[] {
  // Only what lies on a path from the input to the output.
  const { values: fromInput, nodes: flow } = dataFlow(graph, from)
  const wanted = new Set([output])
  const path: Node[] = []
  for (let i = flow.length - 1; i >= 0; i--) {
    const node = flow[i] as Node
    if (!node.outputs.some((o) => wanted.has(o))) continue
    path.push(node)
    for (const input of node.inputs) if (fromInput.has(input)) wanted.add(input)
  }
  path.reverse()
  const lastReader = new Map<string, number>([[output, path.length]])
  path.forEach((node, i) => {
    for (const input of node.inputs)
      if (wanted.has(input)) lastReader.set(input, Math.max(i, lastReader.get(input) ?? -1))
  })
  const made: Cell[] = []
  let open: Node[] = []
  const live = new Set(from.filter((name) => wanted.has(name)))
  path.forEach((node, i) => {
    open.push(node)
    for (const o of node.outputs) if (wanted.has(o)) live.add(o)
    for (const value of [...live]) if ((lastReader.get(value) ?? -1) <= i) live.delete(value)
    const only = live.size === 1 ? (live.values().next().value as string) : undefined
    if (only === undefined || !node.outputs.includes(only)) return
    const branches = open.length > 1
    const joined = branches && JOINS.has(node.opType)
    made.push({ nodes: open, output: only, layers: open.filter(isLayer), branches, joined })
    open = []
  })
  return made
}

const JOINS = new Set(['Add', 'Sum', 'Concat', 'Sub', 'SkipLayerNormalization', 'SkipSimplifiedLayerNormalization'])

/** A block under construction: whole cells, one after another. */
type Group = Cell[]

function group(found: readonly Cell[]): Group[] {
  const groups: Group[] = []
  let current: Group = []
  let mixing = 0
  let pooled = false
  let closed = false
  const close = () => {
    if (current.length > 0) groups.push(current)
    current = []
    mixing = 0
    pooled = false
    closed = false
  }
  const weighty = (cell: Cell) => cell.layers.length > 0
  found.forEach((cell, i) => {
    if (cell.joined && weighty(cell)) {
      // A residual or branching unit stands alone, but takes up a normalisation before it that has no layer yet.
      if (current.some(weighty)) close()
      current.push(cell)
      closed = true
      return
    }
    const layer = cell.branches ? undefined : cell.layers[0]
    if (layer) {
      const mixes = !isDepthwise(layer)
      const dense = layer.opType !== 'Conv' && layer.opType !== 'ConvTranspose'
      const stem = groups.length === 0 && current.some(weighty)
      if (closed || pooled || stem || (mixes && mixing >= CHAIN) || (dense && current.some(weighty))) close()
      if (mixes) mixing++
      current.push(cell)
      // A layer whose result is not bent by an activation ends a unit: the linear bottleneck of MobileNetV2.
      if (endsLinearly(found, i) && groups.length > 0) closed = true
      return
    }
    if (cell.nodes.some((n) => n.opType === 'MaxPool' || n.opType === 'AveragePool')) pooled = true
    current.push(cell)
  })
  close()
  return withLayers(groups)
}

function isDepthwise(node: Node): boolean {
  const groups = node.attributes.get('group')
  return groups?.kind === 'int' && groups.value > 1
}

const NORMS = new Set([
  'BatchNormalization',
  'InstanceNormalization',
  'GroupNormalization',
  'LayerNormalization',
  'Identity',
  'Dropout',
])

/** Whether the next layer or unit follows this layer with nothing but a normalisation between. */
function endsLinearly(found: readonly Cell[], at: number): boolean {
  for (let i = at + 1; i < found.length; i++) {
    const cell = found[i] as Cell
    if (cell.layers.length > 0) return true
    if (!cell.nodes.every((n) => NORMS.has(n.opType))) return false
  }
  return false
}

/** Leading and trailing pieces without a layer go to their neighbour. */
function withLayers(groups: readonly Group[]): Group[] {
  const out: Group[] = []
  let before: Group = []
  for (const g of groups) {
    if (g.some((cell) => cell.layers.length > 0)) {
      out.push([...before, ...g])
      before = []
    } else if (out.length > 0) (out[out.length - 1] as Group).push(...g)
    else before = [...before, ...g]
  }
  if (before.length > 0) out.push(before)
  return out
}

/** What is done to embeddings before the first residual unit, such as making them wider, belongs to them. */
function withEmbeddings(graph: Graph, groups: readonly Group[]): Group[] {
  const first = groups.findIndex((g) => g.some((cell) => cell.joined && cell.layers.length > 0))
  const find = weightFinder(graph)
  const looksUp = (node: Node) =>
    isLookUp(node) && (node.opType !== 'Gather' || find(node.inputs[0] ?? '') !== undefined)
  if (first < 2 || !groups[0]?.some((cell) => cell.nodes.some(looksUp))) return [...groups]
  return [groups.slice(0, first).flat(), ...groups.slice(first)]
}

/** An attention unit and the feed-forward unit after it are one layer of a transformer. */
function joinAttention(groups: readonly Group[]): Group[] {
  // A normalisation that is written out joins paths too, but has no layer.
  const units = (g: Group) => g.filter((cell) => cell.joined && cell.layers.length > 0)
  const attends = (g: Group) => units(g).some((cell) => cell.nodes.some((n) => ATTENTION.has(n.opType)))
  const out: Group[] = []
  for (const g of groups) {
    const last = out[out.length - 1]
    if (last && units(last).length === 1 && attends(last) && !attends(g) && units(g).length > 0) last.push(...g)
    else out.push([...g])
  }
  return out
}

const ATTENTION = new Set(['Softmax', 'Attention', 'MultiHeadAttention'])

function inPairs(groups: readonly Group[]): Group[] {
  const out: Group[] = []
  // The stem stays alone; the blocks after it are joined from the output back, so that a single one is left at the front.
  const rest = groups.slice(1)
  for (let end = rest.length; end > 0; end -= 2) out.push(rest.slice(Math.max(0, end - 2), end).flat())
  return [groups[0] as Group, ...out.reverse()]
}

/** Parts of equal numbers of layers, where the graph offers no cuts (long skips, parallel towers). */
function byDepth(groups: readonly Group[]): Group[] {
  const largest = groups.reduce<Group>((a, b) => (layersOf(b) > layersOf(a) ? b : a), [])
  if (layersOf(largest) < 2 * FEWEST) return [...groups]
  const nodes = largest.flatMap((cell) => cell.nodes)
  const layers = new Set(largest.flatMap((cell) => cell.layers))
  const parts = Math.min(12, Math.floor(layers.size / 2))
  const per = layers.size / parts
  const split: Group[] = Array.from({ length: parts }, () => [])
  let seen = 0
  for (const node of nodes) {
    const at = Math.min(parts - 1, Math.floor(Math.max(0, seen - (layers.has(node) ? 0 : 1)) / per))
    if (layers.has(node)) seen++
    const part = split[at] as Group
    part.push({
      nodes: [node],
      output: node.outputs[0] ?? '',
      layers: layers.has(node) ? [node] : [],
      branches: false,
      joined: false,
    })
  }
  return groups.flatMap((g) => (g === largest ? split.filter((part) => part.length > 0) : [g]))
}

const layersOf = (g: Group): number => g.reduce((sum, cell) => sum + cell.layers.length, 0)

function named(model: Model, groups: readonly Group[]): Block[] {
  const blockOf = new Map<Node, number>()
  groups.forEach((g, i) => {
    for (const cell of g) for (const node of cell.nodes) blockOf.set(node, i)
  })
  const made = producers(model.graph)
  const parameters: string[][] = groups.map(() => [])
  for (const parameter of listParameters(model)) {
    const indices = parameter.readBy.map((node) => blockOf.get(node) ?? firstBlockAfter(model.graph, node, blockOf))
    const first = Math.min(...indices.filter((i) => i !== undefined))
    if (Number.isFinite(first)) parameters[first]?.push(parameter.value)
  }
  return groups.map((g, i) => ({
    name: i === 0 ? 'stem' : `block.${i}`,
    nodes: g.flatMap((cell) => cell.nodes),
    parameters: parameters[i] ?? [],
    output: lastOutput(g, made),
  }))
}

function lastOutput(g: Group, made: ReadonlyMap<string, Node>): string {
  const output = g[g.length - 1]?.output ?? ''
  return made.has(output) ? output : ''
}

/** The block that reads what a node without image data computes from weights, such as the norm of a weight. */
function firstBlockAfter(graph: Graph, start: Node, blockOf: ReadonlyMap<Node, number>): number | undefined {
  const values = new Set(start.outputs)
  let first: number | undefined
  for (const node of graph.nodes) {
    if (!node.inputs.some((input) => values.has(input))) continue
    const block = blockOf.get(node)
    if (block === undefined) for (const o of node.outputs) values.add(o)
    else if (first === undefined || block < first) first = block
  }
  return first
}
