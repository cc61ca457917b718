/**
 * Tables of which few rows are read. A row of an embedding that no sample names has a gradient of zero at every step; kept in the
 * training, it costs as much memory and time as one that learns.
 */

import { computedAs, toFloat32 } from '../graph/convert.js'
import { attr, consumers, type Graph, intAttribute, type Model, type Node, producers } from '../graph/graph.js'
import { int64Vector, sizeOf, type Tensor } from '../graph/tensor.js'
import { outerNames } from '../onnx/names.js'

/** Tables by name, each with the rows that were kept of it, ascending. */
export type KeptRows = ReadonlyMap<string, Int32Array>

/** Operators that pass whole numbers on as they are. */
const PASSES: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Reshape', 'Unsqueeze', 'Squeeze', 'Flatten'])

/**
 * The model with tables that hold only the rows which are read. A table is taken where it trains and is read by nothing but Gather
 * along its first axis with the numbers of one graph input, be it through a Cast to float32. In front of each such Gather the numbers
 * are translated:
 *
 *   Before: table (V, D) <- Gather (input)
 *   After:  table (U, D) <- Gather (Gather (places (V), input))
 *
 * A number that is not among `used` is translated to U, which no table has: the run fails, and does not read another row.
 *
 * @param used the numbers that occur in each input, by its name
 * @returns undefined where nothing is spared
 */
export function withUsedRows(
  model: Model,
  used: Readonly<Record<string, Int32Array>>,
  trains: (parameter: string) => boolean,
): { readonly model: Model; readonly rows: KeptRows } | undefined {
  const { graph } = model
  const rows = new Map<string, Int32Array>()
  const initializers = new Map(graph.initializers)
  const valueInfo = new Map(graph.valueInfo)
  const translated = new Map<Node, Node[]>()
  for (const { table, name, reads, input } of tablesOf(graph, trains)) {
    const numbers = used[input]
    const [height] = table.dims as [number]
    if (numbers === undefined) continue
    const own = numbers.filter((row) => row >= 0 && row < height).sort()
    if (own.length === 0 || own.length === height) continue
    rows.set(name, own)
    initializers.set(name, taken(table, own))
    for (const value of [name, ...reads.map((node) => node.inputs[0] as string)]) valueInfo.delete(value)
    const places = `${name}.places`
    initializers.set(places, int64Vector(placesOf(own, height)))
    for (const node of reads) {
      const place = `${node.outputs[0]}.place`
      const translation: Node = {
        name: place,
        opType: 'Gather',
        domain: '',
        inputs: [places, node.inputs[1] as string],
        outputs: [place],
        attributes: new Map([['axis', attr.int(0)]]),
      }
      translated.set(node, [translation, { ...node, inputs: [node.inputs[0] as string, place] }])
    }
  }
  if (rows.size === 0) return undefined
  const nodes = graph.nodes.flatMap((node) => translated.get(node) ?? [node])
  return { model: { ...model, graph: { ...graph, nodes, initializers, valueInfo } }, rows }
}

interface RowTable {
  readonly name: string
  readonly table: Tensor
  readonly reads: readonly Node[]
  /** The graph input whose numbers choose rows. */
  readonly input: string
}

function tablesOf(graph: Graph, trains: (parameter: string) => boolean): RowTable[] {
  const made = producers(graph)
  const readers = consumers(graph)
  const inputs = new Set(graph.inputs.map(({ name }) => name))
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const inside = new Set(
    graph.nodes.flatMap((node) =>
      [...node.attributes.values()].flatMap((own) => (own.kind === 'graph' ? [...outerNames(own.value)] : [])),
    ),
  )
  const sourceOf = (value: string): string => {
    const node = made.get(value)
    return node !== undefined && node.domain === '' && PASSES.has(node.opType) ? sourceOf(node.inputs[0] ?? '') : value
  }
  return [...graph.initializers].flatMap(([name, table]): RowTable[] => {
    if (!trains(name) || computedAs(table.type) !== 'float32' || table.dims.length < 2 || inputs.has(name)) return []
    const readersOf = (value: string): Node[] | undefined =>
      outputs.has(value) || inside.has(value) ? undefined : (readers.get(value) ?? [])
    const [first] = readersOf(name) ?? []
    const cast = first?.opType === 'Cast' && first.domain === '' && readersOf(name)?.length === 1
    const value = cast ? (first.outputs[0] as string) : name
    const reads = readersOf(name) && readersOf(value)
    if (reads === undefined || reads.length === 0 || !reads.every((node) => readsRows(node, value))) return []
    const [input, ...others] = new Set(reads.map((node) => sourceOf(node.inputs[1] ?? '')))
    if (input === undefined || others.length > 0 || !inputs.has(input)) return []
    return [{ name, table, reads, input }]
  })
}

const readsRows = (node: Node, table: string): boolean =>
  node.opType === 'Gather' &&
  node.domain === '' &&
  node.inputs[0] === table &&
  node.inputs[1] !== table &&
  intAttribute(node, 'axis', 0) === 0

function taken(table: Tensor, rows: Int32Array): Tensor {
  const width = sizeOf(table.dims.slice(1))
  const from = table.data as Float32Array
  // Of the type that it is stored in.
  const data = from.slice(0, rows.length * width)
  rows.forEach((row, i) => {
    data.set(from.subarray(row * width, (row + 1) * width), i * width)
  })
  return { type: table.type, dims: [rows.length, ...table.dims.slice(1)], data }
}

/** Where each of the `height` rows lies among those that were kept; of the others, behind the last. */
function placesOf(rows: Int32Array, height: number): number[] {
  const places = new Array<number>(height).fill(rows.length)
  rows.forEach((row, i) => {
    places[row] = i
  })
  return places
}

/** The whole of `before` as float32, with `kept` in place of these rows. */
export function wholeTable(before: Tensor, kept: Float32Array, rows: Int32Array): Float32Array {
  const width = sizeOf(before.dims.slice(1))
  const data = (toFloat32(before).data as Float32Array).slice()
  rows.forEach((row, i) => {
    data.set(kept.subarray(i * width, (i + 1) * width), row * width)
  })
  return data
}
