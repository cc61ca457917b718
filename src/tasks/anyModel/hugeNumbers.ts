/**
 * Masks add numbers near the end of float32 to scores that shall not count. A score disappears beside such a number: where a
 * whole row is masked, float32 gives each score the same weight whatever it is, while the gradient, like any autograd's, goes
 * through the sum. Differences would call that wrong.
 */
import { constantTensor, isConstantNode } from '../../graph/constants.js'
import { toFloat32 } from '../../graph/convert.js'
import { attr, type Model } from '../../graph/graph.js'
import type { Tensor } from '../../graph/tensor.js'
import { isFloat } from '../../ops/operator.js'

/** From here on a number stands for infinity; the end of float16 is used so too. */
const HUGE = 6e4
/** exp(-1000) is zero in float32, and scores beside it keep their differences. */
const ENOUGH = 1000

/** The model with single numbers of at least 60,000 in size replaced by 1,000 with their sign; infinities stay. */
export function withoutHugeNumbers(model: Model): Model {
  const { graph } = model
  const initializers = new Map(graph.initializers)
  for (const [name, tensor] of graph.initializers) {
    const smaller = softened(tensor)
    if (smaller) initializers.set(name, smaller)
  }
  const nodes = graph.nodes.map((node) => {
    const tensor = isConstantNode(node) ? constantTensor(node) : undefined
    const smaller = tensor && softened(tensor)
    return smaller ? { ...node, attributes: new Map([['value', attr.tensor(smaller)]]) } : node
  })
  return { ...model, graph: { ...graph, initializers, nodes } }
}

function softened(tensor: Tensor): Tensor | undefined {
  if (!isFloat(tensor.type) || tensor.dims.some((d) => d !== 1)) return undefined
  const [value] = toFloat32(tensor).data
  if (value === undefined || !Number.isFinite(value) || Math.abs(Number(value)) < HUGE) return undefined
  return { type: 'float32', dims: tensor.dims, data: Float32Array.of(Math.sign(Number(value)) * ENOUGH) }
}
