/** Where the text leaves a transformer: the value behind its last attention through which all of it passes. */
import type { Node } from '../../graph/graph.js'
import { reads } from '../../onnx/names.js'
import type { NetworkView } from './view.js'

export interface StreamEnd {
  readonly value: string
  /** The nodes that depend on the value, by its numbers or its shape. */
  readonly behind: ReadonlySet<Node>
}

/**
 * @param from the embeddings that enter
 * @returns undefined where no such value exists, as with outputs from several depths
 */
export function lastStream(view: NetworkView, from: string): StreamEnd | undefined {
  const { nodes, outputs } = view.model.graph
  const last = Math.max(...view.attention.map(({ context }) => nodes.findIndex((n) => n.outputs.includes(context))))
  if (!Number.isFinite(last)) return undefined
  const stream = new Set([from])
  const lastRead = new Map<string, number>()
  nodes.forEach((node, i) => {
    if (node.opType === 'Shape' || node.opType === 'Size') return
    const inputs = reads(node).filter((input) => stream.has(input))
    for (const input of inputs) lastRead.set(input, i)
    if (inputs.length > 0) for (const output of node.outputs) if (output !== '') stream.add(output)
  })
  for (const { name } of outputs) lastRead.set(name, nodes.length)
  const live = new Set([from])
  for (const [i, node] of nodes.entries()) {
    for (const output of node.outputs) if (stream.has(output) && lastRead.has(output)) live.add(output)
    for (const value of live) if ((lastRead.get(value) ?? -1) <= i) live.delete(value)
    const [only] = live
    if (i > last && live.size === 1 && only !== undefined && node.outputs.includes(only)) {
      const behind = readersOf(nodes, only)
      return { value: only, behind }
    }
  }
  return undefined
}

function readersOf(nodes: readonly Node[], value: string): Set<Node> {
  const values = new Set([value])
  const found = new Set<Node>()
  for (const node of nodes) {
    if (!reads(node).some((input) => values.has(input))) continue
    found.add(node)
    for (const output of node.outputs) values.add(output)
  }
  return found
}
