/** Floating-point tensors of other widths as float32, in which everything that trains is computed. */
import { GraftError } from '../base/errors.js'
import { bfloatToNumber, halfToNumber, type Tensor } from './tensor.js'

/** All 65,536 float16 values, made at first use: decoding millions of weights one by one costs seconds. */
let halves: Float32Array | undefined

/**
 * The same tensor as float32. Exact from float16 and bfloat16; rounded to nearest from float64.
 *
 * @throws GraftError for a type that is not floating point
 */
export function toFloat32(tensor: Tensor): Tensor {
  const { type, dims, data } = tensor
  switch (type) {
    case 'float32':
      return tensor
    case 'float64':
      return { type: 'float32', dims, data: Float32Array.from(data as Float64Array) }
    case 'float16': {
      halves ??= Float32Array.from({ length: 65536 }, (_, bits) => halfToNumber(bits))
      const table = halves
      return { type: 'float32', dims, data: decoded(data as Uint16Array, (bits) => table[bits] as number) }
    }
    case 'bfloat16':
      return { type: 'float32', dims, data: decoded(data as Uint16Array, bfloatToNumber) }
    default:
      throw new GraftError(
        `A tensor of type ${type} and shape [${dims}] was given where floating-point numbers were expected.`,
        {
          remedy: 'Weights that train must be float32, float16, bfloat16 or float64.',
        },
      )
  }
}

/** A loop of its own: \`Float32Array.from\` with a function goes through an iterator and takes twenty times as long. */
function decoded(bits: Uint16Array, decode: (bits: number) => number): Float32Array {
  const values = new Float32Array(bits.length)
  for (let i = 0; i < bits.length; i++) values[i] = decode(bits[i] as number)
  return values
}
