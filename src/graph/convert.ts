/** Floating-point tensors of other widths as float32, in which everything that trains is computed. */
import { GraftError } from '../base/errors.js'
import { decodingTable } from './formats.js'
import { type ElementType, lazyTensor, type Tensor } from './tensor.js'

/** Types of other widths that are read as float32. */
const WIDENED: ReadonlySet<ElementType> = new Set([
  'float16',
  'bfloat16',
  'float64',
  'float8e4m3fn',
  'float8e4m3fnuz',
  'float8e5m2',
  'float8e5m2fnuz',
  'float8e8m0',
])

/** Whether numbers of the type are read as float32. */
export const isWidened = (type: ElementType): boolean => WIDENED.has(type)

/** The type in which values of a type are computed. */
export const computedAs = (type: ElementType): ElementType => (WIDENED.has(type) ? 'float32' : type)

/**
 * The same tensor as float32, made when its data are asked for. Exact from the narrower types; rounded to nearest from
 * float64.
 *
 * @throws GraftError for a type that is not floating point, and for float4
 */
export function toFloat32(tensor: Tensor): Tensor {
  const { type, dims } = tensor
  if (type === 'float32') return tensor
  if (type === 'float64') return lazyTensor('float32', dims, () => Float32Array.from(tensor.data as Float64Array))
  const table = WIDENED.has(type) ? decodingTable(type) : undefined
  if (table === undefined)
    throw new GraftError(
      type === 'float4e2m1'
        ? `A tensor of shape [${dims}] is float4, which onnxruntime does not compute with on the CPU.`
        : `A tensor of type ${type} and shape [${dims}] was given where floating-point numbers were expected.`,
      {
        remedy:
          type === 'float4e2m1'
            ? 'Export the network with float16, float8 or int8 weights.'
            : 'Weights that train must be float32, float16, bfloat16, float8 or float64.',
      },
    )
  return lazyTensor('float32', dims, () => {
    const bits = tensor.data as Uint16Array | Uint8Array
    const out = new Float32Array(bits.length)
    for (let i = 0; i < out.length; i++) out[i] = table[bits[i] as number] as number
    return out
  })
}
