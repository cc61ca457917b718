/** The classifier that a pretrained network came with, as numbers: for methods that train it on or ask it. */
import { computedAs, toFloat32 } from '../graph/convert.js'
import type { Model, Node } from '../graph/graph.js'
import { float32, type Tensor } from '../graph/tensor.js'
import type { Head } from './head.js'
import { weightFinder } from './weights.js'

export interface SourceHead {
  /** (C, D) */
  readonly weight: Tensor
  /** (C) */
  readonly bias: Tensor
}

/** Undefined where the network has no linear head of its own, or one that is stored in integers. */
export function sourceHead(model: Model, head: Head): SourceHead | undefined {
  if ((head.kind !== 'linear' && head.kind !== 'convolution') || head.width === undefined) return undefined
  const find = weightFinder(model.graph)
  const layer = head.nodes.find((node) => LAYERS.has(node.opType) && find(node.inputs[1] ?? '') !== undefined)
  const found = layer && find(layer.inputs[1] ?? '')
  if (layer === undefined || found === undefined || head.classes === undefined) return undefined
  const { type } = found.tensor
  if (type !== 'float64' && computedAs(type) !== 'float32') return undefined
  const weight = toFloat32(found.tensor)
  const data = weight.data as Float32Array
  const [rows, columns] = [head.classes, head.width]
  if (data.length !== rows * columns) return undefined
  const carried = found.path.filter((node) => node.opType === 'Transpose').length % 2 === 1
  const stored = layer.opType === 'Conv' || isTransposed(layer) !== carried ? data : transposed(data, rows, columns)
  return { weight: float32([rows, columns], stored.slice()), bias: float32([rows], biasOf(layer, head, find, rows)) }
}

const LAYERS = new Set(['Gemm', 'MatMul', 'Conv'])

function isTransposed(node: Node): boolean {
  const attribute = node.attributes.get('transB')
  return node.opType === 'Gemm' && attribute?.kind === 'int' && attribute.value === 1
}

/** (D, C) as (C, D). */
function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from({ length: data.length }, (_, i) => data[(i % columns) * rows + Math.floor(i / columns)]!)
}

/** The layer's own, or the constant that is added behind it. */
function biasOf(layer: Node, head: Head, find: ReturnType<typeof weightFinder>, rows: number): Float32Array {
  const added = head.nodes.find((node) => node.opType === 'Add' && node.inputs.includes(layer.outputs[0] ?? ''))
  const names = [layer.inputs[2], ...(added?.inputs ?? [])]
  for (const name of names) {
    const tensor = name === undefined || name === '' ? undefined : find(name)?.tensor
    const numbers = tensor && (toFloat32(tensor).data as Float32Array)
    if (numbers?.length === rows) return numbers.slice()
  }
  return new Float32Array(rows)
}
