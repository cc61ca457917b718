/** Networks exported for a fixed batch, made to take any. */
import { constantTensor } from '../graph/constants.js'
import type { Model, ValueInfo } from '../graph/graph.js'
import { int64Vector, type Tensor } from '../graph/tensor.js'
import { specialise } from '../passes/specialise.js'
import { freshName, keepOnly, valueNames } from './edit.js'

/**
 * The network with a dynamic batch, checked by inferring shapes for two other batches.
 *
 * @param shapes of all inputs for a batch of a given size
 * @throws GraftError or Error, saying what depends on the batch
 */
export function withFreeBatch(
  model: Model,
  batch: number,
  shapes: (batch: number) => Readonly<Record<string, readonly number[]>>,
): Model {
  const live = keepOnly(model, model.graph.outputs)
  const before = specialise(live, { shapes: shapes(batch) })
  const shapeOf = (value: string) => before.builder.shape(before.value(value))
  const freed = freeBatch(live, batch, (value) => shapeOf(value)[0])
  // Two batches that are unlikely to equal any other size in the graph.
  for (const n of [batch + 1, 7]) {
    const after = specialise(freed, { shapes: shapes(n) })
    for (const output of freed.graph.outputs) {
      const is = after.builder.shape(after.value(output.name))
      if (shapeOf(output.name)[0] === batch && is[0] !== n)
        throw new Error(`"${output.name}" has shape (${is}) for a batch of ${n}`)
    }
  }
  return freed
}

/**
 * Makes the batch of a network dynamic that was exported with a fixed one. A Reshape to `[B, ...]` of a value whose first
 * axis is the batch becomes `[-1, ...]`, or `[0, ...]` where another axis is inferred.
 *
 * @param firstAxis the size of the first axis of a value in the graph as it was exported
 */
function freeBatch(model: Model, batch: number, firstAxis: (value: string) => number | undefined): Model {
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
