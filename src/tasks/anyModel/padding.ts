/**
 * Rows of embedding tables that have no gradient. PyTorch's embeddings leave out the row of their `padding_idx`, which an ONNX file
 * does not say: of two networks with the same graph one may have it and the other not. So whoever knows it names it.
 */
import { UsageError } from '../../base/errors.js'
import { toFloat32 } from '../../graph/convert.js'
import type { Model, Node } from '../../graph/graph.js'
import { float32, type Tensor } from '../../graph/tensor.js'
import { freshName, valueNames } from '../../models/edit.js'
import { nearNames } from '../../models/near.js'
import { weightFinder } from '../../models/weights.js'

/** Rows by the name of the table. */
export type PaddingRows = Readonly<Record<string, readonly number[]>>

/**
 * The model with these rows cut off from what looks them up. The values that it computes stay as they are; a table that is also a
 * layer's weight keeps the gradient that it has as such.
 *
 * @throws UsageError for a table that nothing is looked up in, or a row that it has not got
 */
export function withoutRows(model: Model, rows: PaddingRows): Model {
  const { graph } = model
  const find = weightFinder(graph)
  const tableOf = (node: Node) => {
    const axis = node.attributes.get('axis')
    if (node.opType !== 'Gather' || node.domain !== '' || (axis?.kind === 'int' && axis.value !== 0)) return undefined
    const found = find(node.inputs[0] ?? '')
    return found?.tensor.dims.length === 2 ? found : undefined
  }
  const tables = new Map(
    graph.nodes.flatMap((node) => {
      const found = tableOf(node)
      return found ? [[found.value, found.tensor] as const] : []
    }),
  )
  for (const [table, chosen] of Object.entries(rows)) checkRows(table, chosen, tables)
  const taken = new Set(valueNames(graph))
  const initializers = new Map(graph.initializers)
  const fresh = (wanted: string) => {
    const name = freshName(taken, wanted)
    taken.add(name)
    return name
  }
  const constant = (wanted: string, tensor: Tensor) => {
    const name = fresh(wanted)
    initializers.set(name, tensor)
    return name
  }
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const found = tableOf(node)
    const chosen = found && rows[found.value]
    if (found === undefined || chosen === undefined) return [node]
    // Where(row trains, table, its numbers as a constant).
    const { dims } = found.tensor
    const trains = new Uint8Array(dims[0]!).fill(1)
    for (const row of chosen) trains[row] = 0
    const output = fresh(`${found.value}.looked_up`)
    const where: Node = {
      name: output,
      opType: 'Where',
      domain: '',
      inputs: [
        constant(`${found.value}.trains`, { type: 'bool', dims: [dims[0]!, 1], data: trains }),
        node.inputs[0] ?? '',
        constant(`${found.value}.fixed`, float32(dims, toFloat32(found.tensor).data as Float32Array)),
      ],
      outputs: [output],
      attributes: new Map(),
    }
    return [where, { ...node, inputs: [output, ...node.inputs.slice(1)] }]
  })
  return { ...model, graph: { ...graph, nodes, initializers } }
}

function checkRows(table: string, chosen: readonly number[], tables: ReadonlyMap<string, Tensor>): void {
  const found = tables.get(table)
  if (found === undefined)
    throw new UsageError(`Nothing is looked up by row in "${table}".`, {
      remedy:
        tables.size === 0 ? 'The model has no such tables.' : `Tables: ${nearNames(table, tables.keys()).join(', ')}.`,
    })
  const count = found.dims[0]!
  const outside = chosen.find((row) => !Number.isInteger(row) || row < 0 || row >= count)
  if (outside !== undefined)
    throw new UsageError(`"${table}" has the rows 0 to ${count - 1}; row ${outside} is not among them.`)
}
