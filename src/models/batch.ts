/** Networks exported for a fixed batch, made to take any. */
import { constantTensor } from '../graph/constants.js'
import type { Model, ValueInfo } from '../graph/graph.js'
import { int64Vector, type Tensor } from '../graph/tensor.js'
import { freshName, valueNames } from './edit.js'

/**
 * Makes the batch of a network dynamic that was exported with a fixed one. A Reshape to `[B, ...]` of a value whose first
 * axis is the batch becomes `[-1, ...]`, or `[0, ...]` where another axis is inferred. What else depends on the batch
 * shows when shapes are inferred for two other batches, which the caller does.
 *
 * @param firstAxis the size of the first axis of a value in the graph as it was exported
 */
export function freeBatch(model: Model, batch: number, firstAxis: (value: string) => number | undefined): Model {
  const { graph } = model
  const constants = new Map<string, Tensor>(graph.initializers)
  for (const n of graph.nodes) {
    const tensor = n.opType === 'Constant' && n.domain === '' ? constantTensor(n) : undefined
    if (tensor) constants.set(n.outputs[0] ?? '', tensor)
    // Newer exporters write a Reshape's shape as a Concat of constants.
    const parts = n.opType === 'Concat' ? n.inputs.map((input) => constants.get(input)) : []
    if (parts.length > 0 && parts.every((part) => part?.type === 'int64' && part.dims.length === 1))
      constants.set(
        n.outputs[0] ?? '',
        int64Vector(parts.flatMap((part) => Array.from(part?.data as BigInt64Array, Number))),
      )
  }
  const taken = valueNames(graph)
  const initializers = new Map(graph.initializers)
  const nodes = graph.nodes.map((n) => {
    if (n.opType !== 'Reshape' || n.domain !== '') return n
    const shape = constants.get(n.inputs[1] ?? '')
    if (shape?.type !== 'int64') return n
    const sizes = Array.from(shape.data as BigInt64Array, Number)
    if (sizes[0] !== batch || sizes.length < 2 || firstAxis(n.inputs[0] ?? '') !== batch) return n
    const freed = [sizes.includes(-1) ? 0 : -1, ...sizes.slice(1)]
    const name = freshName(new Set([...taken, ...initializers.keys()]), `${n.outputs[0]}.shape`)
    initializers.set(name, int64Vector(freed))
    return { ...n, inputs: [n.inputs[0] ?? '', name, ...n.inputs.slice(2)] }
  })
  const dynamic = (value: ValueInfo): ValueInfo => ({
    ...value,
    shape: value.shape?.map((d, i) => (i === 0 && d === batch ? 'batch' : d)),
  })
  const inputs = graph.inputs.map(dynamic)
  const outputs = graph.outputs.map(dynamic)
  // What the file says of intermediate values holds for the old batch only.
  return { ...model, graph: { ...graph, nodes, initializers, inputs, outputs, valueInfo: new Map() } }
}
