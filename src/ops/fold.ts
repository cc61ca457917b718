/** Evaluating small operators on constants: the shape arithmetic that exporters write. */
import { InternalError } from '../base/errors.js'
import type { StaticType } from '../graph/graph.js'
import { type ElementType, sizeOf, type Tensor, type TensorData, toInt64, toNumbers } from '../graph/tensor.js'

/** A tensor of the type from plain numbers. Undefined for types that have no array of numbers here. */
export function fromNumbers(type: ElementType, dims: readonly number[], values: readonly number[]): Tensor | undefined {
  const data = arrayOf(type, values)
  return data && { type, dims, data }
}

function arrayOf(type: ElementType, values: readonly number[]): TensorData | undefined {
  switch (type) {
    case 'float32':
      return Float32Array.from(values)
    case 'float64':
      return Float64Array.from(values)
    case 'int64':
      return BigInt64Array.from(values, toInt64)
    case 'uint64':
      return BigUint64Array.from(values, toUint64)
    case 'int32':
      return Int32Array.from(values)
    case 'uint32':
      return Uint32Array.from(values)
    case 'int16':
      return Int16Array.from(values)
    case 'uint16':
      return Uint16Array.from(values)
    case 'int8':
      return Int8Array.from(values)
    case 'uint8':
      return Uint8Array.from(values)
    case 'bool':
      return Uint8Array.from(values, (v) => (v !== 0 ? 1 : 0))
    default:
      return undefined
  }
}

/** Larger than an int64 can be; a negative number stands for its bits, and BigUint64Array takes them. */
function toUint64(value: number): bigint {
  return Number.isFinite(value) ? BigInt(Math.trunc(value)) : toInt64(value)
}

type Fold = (inputs: readonly (Tensor | undefined)[], node: unknown, types: readonly StaticType[]) => readonly Tensor[]

/** What a fold gives as `fail`: its node's types were inferred, so nothing can be wrong any more. */
export const impossible = (message: string): never => {
  throw new InternalError(message)
}

/** Thrown by a fold that meets a type it cannot compute; the builder keeps the node instead. */
export class NotFoldable extends Error {}

export function result(type: StaticType | undefined, values: readonly number[]): readonly Tensor[] {
  const tensor = type && fromNumbers(type.type, type.shape, values)
  if (!tensor) throw new NotFoldable()
  return [tensor]
}

export function unaryFold(f: (x: number) => number): Fold {
  return ([x], _node, [type]) => result(type, toNumbers(x as Tensor).map(f))
}

export function binaryFold(f: (x: number, y: number) => number): Fold {
  return ([x, y], _node, [type]) => {
    const a = broadcastTo(x as Tensor, type?.shape ?? [])
    const b = broadcastTo(y as Tensor, type?.shape ?? [])
    return result(
      type,
      a.map((v, i) => f(v, b[i] as number)),
    )
  }
}

/** The elements repeated to the shape, in row-major order. */
export function broadcastTo(tensor: Tensor, shape: readonly number[]): number[] {
  const values = toNumbers(tensor)
  const size = sizeOf(shape)
  if (values.length === size) return values
  const steps = strides(tensor.dims)
  const offset = shape.length - tensor.dims.length
  const out = new Array<number>(size)
  for (let flat = 0; flat < size; flat++) {
    let rest = flat
    let index = 0
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const d = shape[axis] as number
      const at = rest % d
      rest = (rest - at) / d
      const own = axis - offset
      if (own >= 0 && tensor.dims[own] !== 1) index += at * (steps[own] as number)
    }
    out[flat] = values[index] as number
  }
  return out
}

/** Row-major strides in elements. */
export function strides(dims: readonly number[]): number[] {
  const out = new Array<number>(dims.length)
  let step = 1
  for (let i = dims.length - 1; i >= 0; i--) {
    out[i] = step
    step *= dims[i] as number
  }
  return out
}

/** Reads elements of a tensor at positions given by a function of the output's index; `fill` where the position is negative. */
export function gatherFold(
  type: StaticType,
  source: Tensor,
  at: (index: readonly number[]) => number,
  fill = 0,
): readonly Tensor[] {
  const values = toNumbers(source)
  const size = sizeOf(type.shape)
  const index = new Array<number>(type.shape.length).fill(0)
  const out = new Array<number>(size)
  for (let flat = 0; flat < size; flat++) {
    out[flat] = values[at(index)] ?? fill
    for (let axis = index.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1
      if ((index[axis] as number) < (type.shape[axis] as number)) break
      index[axis] = 0
    }
  }
  return result(type, out)
}
