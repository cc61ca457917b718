/** The forward pass of a training program as a list that can be cut, and where to cut it. */
import type { Graph, Node, StaticType } from '../../graph/graph.js'
import { sizeOf } from '../../graph/tensor.js'
import { reads } from '../../onnx/names.js'
import { isDear } from './cost.js'

export interface Forward {
  /** What depends on the batch and the loss depends on, in the file's order. */
  readonly nodes: readonly Node[]
  /** Everything that stands behind the loss. */
  readonly backward: readonly Node[]
  readonly types: ReadonlyMap<string, StaticType>
  /** Position in `nodes` of what makes a value. */
  readonly madeAt: ReadonlyMap<string, number>
}

/**
 * @param data graph inputs that hold the batch
 * @param loss the graph output that is the loss
 */
export function readForward(graph: Graph, data: readonly string[], loss: string): Forward {
  const types = new Map<string, StaticType>()
  for (const [name, { type, shape }] of graph.valueInfo) types.set(name, { type, shape: shape as readonly number[] })
  for (const { name, type, shape } of graph.inputs) types.set(name, { type, shape: shape as readonly number[] })
  for (const [name, { type, dims }] of graph.initializers) types.set(name, { type, shape: dims })
  const needed = new Set([loss])
  let end = 0
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i] as Node
    if (!node.outputs.some((name) => needed.has(name))) continue
    // Copies into the graph's output may stand anywhere behind the loss.
    if (end > 0 || node.opType !== 'Identity') end = Math.max(end, i + 1)
    for (const name of reads(node)) needed.add(name)
  }
  const batch = new Set(data)
  const nodes: Node[] = []
  const madeAt = new Map<string, number>()
  for (const node of graph.nodes.slice(0, end)) {
    if (!reads(node).some((name) => batch.has(name))) continue
    for (const name of node.outputs) batch.add(name)
    if (!node.outputs.some((name) => needed.has(name))) continue
    for (const name of node.outputs) if (name !== '') madeAt.set(name, nodes.length)
    nodes.push(node)
  }
  return { nodes, backward: graph.nodes.slice(end), types, madeAt }
}

/** Floats of a value. */
export const sizeIn = ({ types }: Forward, name: string): number => sizeOf(types.get(name)?.shape ?? [])

/**
 * Positions before which to cut: segments keep about equally much for the backward pass, and within reach of that the cut
 * goes where the least crosses it.
 */
export function cutPoints(forward: Forward, segments: number): number[] {
  const { nodes, madeAt, backward } = forward
  const readBack = new Set(backward.flatMap(reads))
  const saved = nodes.map((node) =>
    node.outputs.reduce((sum, name) => sum + (readBack.has(name) ? sizeIn(forward, name) : 0), 0),
  )
  const lastRead = new Map<string, number>()
  nodes.forEach((node, i) => {
    for (const name of reads(node)) if (madeAt.has(name)) lastRead.set(name, i)
  })
  // crossing[i]: what is made before node i and read by it or later.
  const crossing = new Float64Array(nodes.length + 1)
  for (const [name, made] of madeAt)
    for (let i = made + 1; i <= (lastRead.get(name) ?? made); i++) crossing[i] = crossing[i]! + sizeIn(forward, name)
  const total = saved.reduce((sum, size) => sum + size, 0)
  const cuts: number[] = []
  let before = 0
  let best: number | undefined
  for (let i = 0; i < nodes.length; i++) {
    const share = (before / total) * segments - cuts.length
    if (share > 1.5 && best !== undefined) {
      cuts.push(best)
      best = undefined
    }
    const open = (before / total) * segments - cuts.length
    if (open > 0.5 && i > (cuts.at(-1) ?? 0) && (best === undefined || crossing[i]! < crossing[best]!)) best = i
    before += saved[i]!
    if (cuts.length === segments - 1) break
  }
  if (best !== undefined && cuts.length < segments - 1) cuts.push(best)
  return cuts
}

/** Values that stay as they are: what crosses a cut, and with `cheap` what the products gave. */
export function keptValues(
  { nodes, madeAt, backward }: Forward,
  segmentOf: (name: string) => number | undefined,
  what: 'all' | 'cheap',
): Set<string> {
  const kept = new Set<string>()
  for (const node of nodes)
    for (const name of reads(node)) {
      const from = segmentOf(name)
      if (from !== undefined && from !== segmentOf(node.outputs[0] as string)) kept.add(name)
    }
  if (what === 'all') return kept
  const readBack = new Set(backward.flatMap(reads))
  const readers = new Map<string, Node[]>()
  for (const node of nodes)
    for (const name of reads(node)) if (madeAt.has(name)) readers.set(name, [...(readers.get(name) ?? []), node])
  for (const node of nodes) {
    if (!isDear(node)) continue
    // Of a product that goes through one cheap operator alone (a bias, an activation) the result of that is kept.
    let value = node.outputs[0] as string
    for (let next = readers.get(value); !readBack.has(value) && next?.length === 1; next = readers.get(value)) {
      const [reader] = next as [Node]
      if (isDear(reader) || reader.outputs.length !== 1) break
      value = reader.outputs[0] as string
    }
    kept.add(value)
  }
  return kept
}
