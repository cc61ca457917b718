/**
 * Names and order: every value has one producer, every name that is read exists, and nodes come after what they read.
 * Sub-graphs (If, Loop, Scan) read names of the graphs around them.
 */
import { GraftError } from '../base/errors.js'
import { describeNode, type Graph, type Node } from '../graph/graph.js'

const DAMAGED = 'The file is damaged; export it again.'

/** What a node reads: its inputs and the outer names its sub-graphs use. */
export function reads(node: Node): string[] {
  const names = node.inputs.filter((input) => input !== '')
  for (const attribute of node.attributes.values())
    if (attribute.kind === 'graph') names.push(...outerNames(attribute.value))
  return names
}

/** The names a sub-graph reads that it does not define. */
export function outerNames(graph: Graph): Set<string> {
  const own = new Set<string>(graph.initializers.keys())
  for (const input of graph.inputs) own.add(input.name)
  for (const node of graph.nodes) for (const output of node.outputs) own.add(output)
  const outer = new Set<string>()
  for (const node of graph.nodes) for (const name of reads(node)) if (!own.has(name)) outer.add(name)
  for (const output of graph.outputs) if (!own.has(output.name)) outer.add(output.name)
  return outer
}

/**
 * Checks a graph's names and puts its nodes in topological order, in place; a graph that is in order stays as it is.
 *
 * @param scope the names of the graphs around it
 * @throws GraftError where a value has two producers, a name does not exist or nodes form a cycle
 */
export function settleNames(graph: Graph, scope: ReadonlySet<string> = new Set()): void {
  const producer = new Map<string, Node | undefined>()
  const define = (name: string, node?: Node) => {
    if (name === '') return
    if (producer.has(name))
      throw new GraftError(
        `The value "${name}" of graph "${graph.name}" is defined twice${node ? `, the second time by ${describeNode(node)}` : ''}.`,
        {
          remedy: DAMAGED,
        },
      )
    producer.set(name, node)
  }
  for (const input of graph.inputs) define(input.name)
  for (const name of graph.initializers.keys()) define(name)
  for (const node of graph.nodes) for (const output of node.outputs) define(output, node)
  const exists = (name: string) => producer.has(name) || scope.has(name)
  const needs = new Map<Node, string[]>()
  for (const node of graph.nodes) {
    const names = reads(node)
    for (const name of names)
      if (!exists(name))
        throw new GraftError(`${describeNode(node)} reads "${name}", which nothing produces.`, { remedy: DAMAGED })
    needs.set(node, names)
  }
  for (const output of graph.outputs)
    if (!exists(output.name))
      throw new GraftError(`The output "${output.name}" of graph "${graph.name}" is produced by nothing.`, {
        remedy: DAMAGED,
      })
  const inside = new Set([...scope, ...producer.keys()])
  for (const node of graph.nodes)
    for (const attribute of node.attributes.values())
      if (attribute.kind === 'graph') settleNames(attribute.value, inside)
  graph.nodes = sorted(graph.nodes, (node) => needs.get(node) ?? [], producer)
}

/** Depth first in file order, without recursion: a chain may be tens of thousands of nodes long. */
function sorted(
  nodes: Node[],
  needs: (node: Node) => readonly string[],
  producer: ReadonlyMap<string, Node | undefined>,
): Node[] {
  const state = new Map<Node, 'open' | 'done'>()
  const order: Node[] = []
  for (const root of nodes) {
    if (state.get(root) === 'done') continue
    const stack: { node: Node; next: number }[] = [{ node: root, next: 0 }]
    state.set(root, 'open')
    while (stack.length > 0) {
      const top = stack[stack.length - 1] as { node: Node; next: number }
      const name = needs(top.node)[top.next++]
      if (name === undefined) {
        state.set(top.node, 'done')
        order.push(top.node)
        stack.pop()
        continue
      }
      const before = producer.get(name)
      if (before === undefined || state.get(before) === 'done') continue
      if (state.get(before) === 'open')
        throw new GraftError(`The nodes that compute "${name}" depend on their own result.`, { remedy: DAMAGED })
      state.set(before, 'open')
      stack.push({ node: before, next: 0 })
    }
  }
  return order
}
