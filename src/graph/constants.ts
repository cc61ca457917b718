/** Constants of a graph: initializers and the outputs of Constant nodes. */
import type { Graph, Node } from './graph.js'
import { type Tensor, toInt64 } from './tensor.js'

/** The tensor in a Constant node; single numbers and lists of numbers are attributes of their own. */
export function constantTensor(node: Node): Tensor | undefined {
  for (const [name, attribute] of node.attributes) {
    if (name === 'value' && attribute.kind === 'tensor') return attribute.value
    if (name === 'value_float' && attribute.kind === 'float')
      return { type: 'float32', dims: [], data: Float32Array.of(attribute.value) }
    if (name === 'value_floats' && attribute.kind === 'floats')
      return { type: 'float32', dims: [attribute.value.length], data: Float32Array.from(attribute.value) }
    if (name === 'value_int' && attribute.kind === 'int')
      return { type: 'int64', dims: [], data: BigInt64Array.of(toInt64(attribute.value)) }
    if (name === 'value_ints' && attribute.kind === 'ints')
      return { type: 'int64', dims: [attribute.value.length], data: BigInt64Array.from(attribute.value, toInt64) }
  }
  return undefined
}

export const isConstantNode = (node: Node): boolean => node.opType === 'Constant' && node.domain === ''

/** Looks up constants by name; of a Constant node that holds text or sparse values, undefined. */
export function constantFinder(graph: Graph): (value: string) => Tensor | undefined {
  const constants = new Map<string, Tensor>(graph.initializers)
  for (const node of graph.nodes) {
    const tensor = isConstantNode(node) ? constantTensor(node) : undefined
    if (tensor) constants.set(node.outputs[0] ?? '', tensor)
  }
  return (value) => constants.get(value)
}
