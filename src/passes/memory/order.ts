/**
 * The order in which onnxruntime runs a graph's nodes one after another: depth first from the last leaf backwards, of a
 * node's producers the one that stands last in the file first. It follows from the order of the nodes in the file.
 */
import type { Node } from '../../graph/graph.js'
import { reads } from '../../onnx/names.js'

/** The nodes in the order in which they run. */
export function executionOrder(nodes: readonly Node[]): Node[] {
  const producer = new Map<string, number>()
  nodes.forEach((node, i) => {
    for (const output of node.outputs) if (output !== '') producer.set(output, i)
  })
  const feeds = nodes.map((node) =>
    [...new Set(reads(node).flatMap((name) => producer.get(name) ?? []))].sort((a, b) => a - b),
  )
  const read = new Uint8Array(nodes.length)
  for (const list of feeds) for (const i of list) read[i] = 1
  const order: Node[] = []
  const entered = new Uint8Array(nodes.length)
  // Each node stands on the stack twice: ~i says that all of its producers have run.
  const stack: number[] = []
  nodes.forEach((_, i) => {
    if (read[i] === 0) stack.push(i)
  })
  while (stack.length > 0) {
    const top = stack.pop() as number
    if (top < 0) {
      order.push(nodes[~top] as Node)
      continue
    }
    if (entered[top] === 1) continue
    entered[top] = 1
    stack.push(~top)
    for (const i of feeds[top] as number[]) if (entered[i] === 0) stack.push(i)
  }
  return order
}
