/** Where tokens enter a transformer and where they leave it: values before its first attention and behind its last through
 * which all of them pass. */
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
  const { nodes } = view.model.graph
  const last = Math.max(...view.attention.map(({ context }) => nodes.findIndex((n) => n.outputs.includes(context))))
  const found = passes(view, from).find(({ index }) => index > last)
  return found && Number.isFinite(last) ? { value: found.value, behind: readersOf(nodes, found.value) } : undefined
}

/** The last value before the first attention through which all that comes from an input passes; undefined where none does. */
export function firstStream(view: NetworkView, from: string): string | undefined {
  const { nodes } = view.model.graph
  const first = Math.min(...view.attention.map(({ context }) => nodes.findIndex((n) => n.outputs.includes(context))))
  return passes(view, from).findLast(({ index }) => index < first)?.value
}

/** Every value that is all there is of what comes from a value, with the position of the node that makes it. */
function passes(view: NetworkView, from: string): { value: string; index: number }[] {
  const { nodes, outputs } = view.model.graph
  const found: { value: string; index: number }[] = []
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
    if (live.size === 1 && only !== undefined && node.outputs.includes(only)) found.push({ value: only, index: i })
  }
  return found
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
