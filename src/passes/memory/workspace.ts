/** What an operator of onnxruntime's takes from the arena while it runs, besides its outputs. */
import { intAttribute, intsAttribute, type Node } from '../../graph/graph.js'

export interface Workspace {
  readonly bytes: number
  /** The parts that are written, as [offset, length]. */
  readonly touched: readonly (readonly [number, number])[]
}

const FLOAT = 4
/** Floats of a tile of columns that a thread multiplies at a time. */
const TILE = 128 * 128

const product = (values: readonly number[]) => values.reduce((a, b) => a * b, 1)

export function workspaceOf(
  node: Node,
  shape: (value: string) => readonly number[],
  threads: number,
): Workspace | undefined {
  if (node.domain !== '') return undefined
  if (node.opType === 'Conv') return ofConvolution(node, shape, threads)
  if (node.opType === 'ConvTranspose') return ofTransposedConvolution(node, shape)
  return undefined
}

/** Columns of the input: all of them where there are more filters than positions, else tiles of them, one a thread. */
function ofConvolution(
  node: Node,
  shape: (value: string) => readonly number[],
  threads: number,
): Workspace | undefined {
  const [filters, inputs, ...kernel] = shape(node.inputs[1] as string) as [number, number, ...number[]]
  const [batch, , ...positions] = shape(node.outputs[0] as string) as [number, number, ...number[]]
  const groups = intAttribute(node, 'group', 1)
  const plain =
    (intsAttribute(node, 'strides') ?? []).every((s) => s === 1) &&
    (intsAttribute(node, 'pads') ?? []).every((p) => p === 0)
  if (plain && kernel.every((k) => k === 1)) return undefined
  const columns = inputs * product(kernel)
  const size = product(positions)
  if (filters / groups > size) return all(size * columns * FLOAT)
  if (batch * groups === 1) return all(threads * TILE * FLOAT)
  const each = Math.max(size * columns, (filters / groups) * size, TILE) * FLOAT
  const busy = Math.min(threads, batch * groups)
  return { bytes: busy * each, touched: Array.from({ length: busy }, (_, i) => [i * each, TILE * FLOAT] as const) }
}

/** The columns of one group of one sample. */
function ofTransposedConvolution(node: Node, shape: (value: string) => readonly number[]): Workspace {
  const [, outputs, ...kernel] = shape(node.inputs[1] as string) as [number, number, ...number[]]
  return all(outputs * product(kernel) * product(shape(node.inputs[0] as string).slice(2)) * FLOAT)
}

const all = (bytes: number): Workspace => ({ bytes, touched: [[0, bytes]] })
