/**
 * Where a weight comes from. Exporters put weights behind Cast (half precision), Transpose, Identity or a quantisation
 * pair, and some write them as Constant nodes; for the user all of these are one parameter.
 */
import { constantTensor } from '../graph/constants.js'
import { computedAs } from '../graph/convert.js'
import type { Graph, Node } from '../graph/graph.js'
import { producers } from '../graph/graph.js'
import type { Tensor } from '../graph/tensor.js'
import { reads } from '../onnx/names.js'
import { isDequantize, isQuantize } from '../passes/quantisedWeights.js'

/** A stored tensor that a value is made from without any arithmetic on it. */
export interface WeightSource {
  /** The initializer, or the output of the Constant node. */
  readonly value: string
  readonly tensor: Tensor
  readonly constant: boolean
  /** The nodes between the stored tensor and the value, from the tensor on. */
  readonly path: readonly Node[]
}

/** Operators that hand a weight on: its numbers stay the same, but for their precision or order. */
const CARRIERS = new Set(['Cast', 'CastLike', 'Identity', 'Transpose', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten'])

export const isCarrier = (node: Node): boolean =>
  (node.domain === '' && CARRIERS.has(node.opType)) || isDequantize(node) || isQuantize(node)

/** Finds stored tensors behind values. */
export function weightFinder(graph: Graph): (value: string) => WeightSource | undefined {
  const made = producers(graph)
  return (value) => {
    const path: Node[] = []
    let at = value
    for (;;) {
      const initializer = graph.initializers.get(at)
      if (initializer) return { value: at, tensor: initializer, constant: false, path: path.reverse() }
      const node = made.get(at)
      if (!node) return undefined
      if (node.opType === 'Constant' && node.domain === '') {
        const tensor = constantTensor(node)
        return tensor && { value: at, tensor, constant: true, path: path.reverse() }
      }
      if (!isCarrier(node) || node.inputs[0] === undefined) return undefined
      path.push(node)
      at = node.inputs[0]
    }
  }
}

export const isFloatTensor = (tensor: Tensor): boolean => computedAs(tensor.type) === 'float32'

/**
 * The values that depend on a graph input's contents, with the nodes that make them. What depends only on its shape
 * (Shape, Size and the arithmetic on them) does not count: it carries no information from the image.
 *
 * @param from the inputs that count; all of them by default
 */
export function dataFlow(
  graph: Graph,
  from: readonly string[] = graph.inputs.map((input) => input.name),
): { values: ReadonlySet<string>; nodes: readonly Node[] } {
  const values = new Set(from)
  const nodes: Node[] = []
  for (const node of graph.nodes) {
    if (node.opType === 'Shape' || node.opType === 'Size') continue
    // CastLike takes only the type of its second input.
    const read = node.opType === 'CastLike' ? node.inputs.slice(0, 1) : reads(node)
    if (!read.some((input) => values.has(input))) continue
    nodes.push(node)
    for (const output of node.outputs) if (output !== '') values.add(output)
  }
  return { values, nodes }
}
