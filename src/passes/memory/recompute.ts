/**
 * Trading time for memory (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"): the forward pass is cut into
 * segments, what the backward pass reads of a segment is computed a second time when it gets there, and only what crosses a
 * cut is kept.
 *
 * Before: x -> f -> a -> g -> loss;  backward reads a.
 * After:  the same, and x' = x once the gradient has come down to f; x' -> f -> a';  backward reads a'.
 *
 * onnxruntime would merge equal nodes, and run the second computation as early as it can. So x' is x reshaped by numbers that
 * are zeros ("each axis as it is") and are computed from the gradients of everything behind the segment. That moves no memory
 * and is exact; and it hides the shapes that follow: onnxruntime's plan, which holds a dead buffer for the next value of the
 * same known shape, would keep buffers of the forward pass until the backward one.
 */
import { cloneGraph, type Graph, type Node, type StaticType } from '../../graph/graph.js'
import { reads } from '../../onnx/names.js'
import { costOf } from './cost.js'
import { GateWriter } from './gate.js'
import { cutPoints, type Forward, keptValues, readForward } from './segments.js'

export interface RecomputeOptions {
  /** Graph inputs that hold the batch. */
  readonly data: readonly string[]
  /** The graph output that is the loss. */
  readonly loss: string
  /** Into how many segments the forward pass is cut. */
  readonly segments: number
  /** all: everything between two cuts. cheap: what products (convolutions, matrix products) gave is kept. */
  readonly what: 'all' | 'cheap'
}

export interface Recomputed {
  readonly graph: Graph
  /** Types of the values whose shape the file does not say. */
  readonly hidden: ReadonlyMap<string, StaticType>
  /** Arithmetic of what is computed twice, as a share of the forward pass. */
  readonly share: number
}

/** What is computed again before the backward node that reads it first. */
interface Segment {
  /** Position in the backward pass. */
  readonly at: number
  readonly nodes: readonly Node[]
}

/** The graph with part of its forward pass computed twice; undefined where nothing would be. */
export function recompute(graph: Graph, options: RecomputeOptions): Recomputed | undefined {
  const forward = readForward(graph, options.data, options.loss)
  const { nodes, backward, types, madeAt } = forward
  const bounds = cutPoints(forward, options.segments)
  const segmentOf = (name: string) => {
    const made = madeAt.get(name)
    return made === undefined ? undefined : bounds.filter((bound) => bound <= made).length
  }
  const kept = keptValues(forward, segmentOf, options.what)
  const repeated = (name: string, segment: number) => segmentOf(name) === segment && !kept.has(name)
  const segments = bounds
    .map((_, i) => segmentToRepeat(forward, (name) => repeated(name, i)))
    .filter((segment) => segment !== undefined)
    .sort((a, b) => a.at - b.at)
  if (segments.length === 0) return undefined

  const writer = new GateWriter(graph, types)
  const again = new Map<string, string>()
  for (const segment of segments)
    for (const node of segment.nodes)
      for (const name of node.outputs) if (name !== '') again.set(name, writer.fresh(name))
  const rewired = backward.map((node) => renamed(node, again))

  const result = cloneGraph(graph)
  const entry = new Map(options.data.map((name) => [name, writer.gated(name, [name])]))
  const body = graph.nodes.slice(0, graph.nodes.length - backward.length).map((node) => renamed(node, entry))
  result.nodes = [...writer.take(), ...body]
  let from = 0
  for (const { at, nodes: repeats } of segments) {
    const done = rewired.slice(from, at)
    const stillRead = new Set(rewired.slice(at).flatMap(reads))
    const gradients = done.flatMap((node) => node.outputs).filter((name) => stillRead.has(name))
    const made = new Set(repeats.flatMap((node) => node.outputs))
    const inputs = new Map(repeats.flatMap((node) => node.outputs.map((name) => [name, again.get(name) ?? name])))
    for (const name of new Set(repeats.flatMap((node) => node.inputs)))
      if (!made.has(name) && (madeAt.has(name) || entry.has(name)))
        inputs.set(name, writer.gated(entry.get(name) ?? name, gradients))
    for (const node of repeats) writer.repeat(node, inputs)
    result.nodes.push(...done, ...writer.take())
    from = at
  }
  result.nodes.push(...rewired.slice(from))
  for (const name of madeAt.keys()) writer.hide(name)
  result.valueInfo = new Map([...graph.valueInfo, ...writer.known].filter(([name]) => !writer.hidden.has(name)))
  for (const [name, tensor] of writer.constants) result.initializers.set(name, tensor)
  const cost = (list: readonly Node[]) =>
    list.reduce((sum, node) => sum + costOf(node, (name) => types.get(name)?.shape ?? []), 0)
  return { graph: result, hidden: writer.hidden, share: cost(segments.flatMap((s) => s.nodes)) / cost(nodes) }
}

/** The nodes of a segment that the backward pass needs the results of. */
function segmentToRepeat({ nodes, backward }: Forward, repeated: (name: string) => boolean): Segment | undefined {
  const at = backward.findIndex((node) => reads(node).some(repeated))
  if (at < 0) return undefined
  const wanted = new Set(backward.flatMap(reads).filter(repeated))
  const found: Node[] = []
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i] as Node
    if (!node.outputs.some((name) => wanted.has(name))) continue
    found.unshift(node)
    for (const name of reads(node)) if (repeated(name)) wanted.add(name)
  }
  return { at, nodes: found }
}

function renamed(node: Node, names: ReadonlyMap<string, string>): Node {
  if (!node.inputs.some((name) => names.has(name))) return node
  return { ...node, inputs: node.inputs.map((name) => names.get(name) ?? name) }
}
