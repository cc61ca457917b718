/** How the numbers of a weight lie in the file, and how in the operand that a layer computes with. */
import { intsAttribute } from '../../graph/graph.js'
import { sizeOf } from '../../graph/tensor.js'
import type { WeightSource } from '../weights.js'

/** Between the stored tensor and the operand: only a change of axes. operand[i] = stored axis `perm[i]`. */
export interface Arrangement {
  readonly stored: readonly number[]
  readonly operand: readonly number[]
  readonly perm: readonly number[]
}

const RESHAPING = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten'])

/** Undefined where the weight is reshaped on the way, so that what is an axis of the operand is none of the file's. */
export function arrangementOf({ tensor, path }: WeightSource): Arrangement | undefined {
  let perm = tensor.dims.map((_, i) => i)
  for (const node of path) {
    if (RESHAPING.has(node.opType)) return undefined
    if (node.opType !== 'Transpose') continue
    const axes = intsAttribute(node, 'perm') ?? perm.map((_, i) => perm.length - 1 - i)
    perm = axes.map((axis) => perm[axis] as number)
  }
  return { stored: tensor.dims, operand: perm.map((axis) => tensor.dims[axis] as number), perm }
}

/** The numbers in the operand's order. */
export function toOperand({ stored, perm }: Arrangement, data: Float32Array): Float32Array {
  return permuted(data, stored, perm)
}

/** The numbers in the file's order. */
export function toStored({ operand, perm }: Arrangement, data: Float32Array): Float32Array {
  const inverse = perm.map((_, axis) => perm.indexOf(axis))
  return permuted(data, operand, inverse)
}

/** Transpose of row-major data: out[i, j, ...] = data at axes `perm`. */
export function permuted(data: Float32Array, dims: readonly number[], perm: readonly number[]): Float32Array {
  if (perm.every((axis, i) => axis === i)) return data
  const strides = dims.map((_, i) => sizeOf(dims.slice(i + 1)))
  const outDims = perm.map((axis) => dims[axis] as number)
  const outStrides = perm.map((axis) => strides[axis] as number)
  const out = new Float32Array(data.length)
  const at = new Array<number>(dims.length).fill(0)
  let from = 0
  for (let i = 0; i < out.length; i++) {
    out[i] = data[from] as number
    for (let axis = at.length - 1; axis >= 0; axis--) {
      at[axis] = (at[axis] as number) + 1
      from += outStrides[axis] as number
      if ((at[axis] as number) < (outDims[axis] as number)) break
      from -= (at[axis] as number) * (outStrides[axis] as number)
      at[axis] = 0
    }
  }
  return out
}
