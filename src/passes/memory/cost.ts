/** Rough arithmetic of a node, for weighing what it takes to compute it again. */
import type { Node } from '../../graph/graph.js'
import { sizeOf } from '../../graph/tensor.js'

const PRODUCTS = new Set(['Conv', 'ConvTranspose', 'MatMul', 'FusedMatMul', 'Gemm', 'Einsum', 'Attention'])
const RECURRENT = new Set(['LSTM', 'GRU', 'RNN', 'Scan', 'Loop', 'If'])
/** An element-wise operator moves memory for about as long as this many multiplications take. */
const PASS = 16

/** Whether a node is dear to compute: products and loops. */
export const isDear = (node: Node): boolean => PRODUCTS.has(node.opType) || RECURRENT.has(node.opType)

/** Multiplications, an element moved counting as some. */
export function costOf(node: Node, shape: (value: string) => readonly number[]): number {
  const made = node.outputs.reduce((sum, name) => sum + (name === '' ? 0 : sizeOf(shape(name))), 0)
  if (!isDear(node)) return PASS * made
  const [first, second] = node.inputs as [string, string | undefined]
  const weight = second === undefined ? [] : shape(second)
  switch (node.opType) {
    case 'Conv':
      return made * sizeOf(weight.slice(1))
    case 'ConvTranspose':
      return sizeOf(shape(first)) * sizeOf(weight.slice(1))
    case 'LSTM':
    case 'GRU':
    case 'RNN':
      return sizeOf(shape(first).slice(0, 2)) * sizeOf(weight) * 2
    default:
      return made * (shape(first).at(-1) ?? 1)
  }
}
