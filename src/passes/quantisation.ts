/**
 * The arithmetic of quantised numbers, y = (x - zero point) * scale, as ONNX's DequantizeLinear and QuantizeLinear
 * define it: one scale for all, one for each index of an axis, or one for each block along it.
 */
import { GraftError } from '../base/errors.js'
import { intAttribute, type Node } from '../graph/graph.js'
import { ELEMENT_TYPES, elementTypeOf, RANGES, type Tensor, toNumbers } from '../graph/tensor.js'

export interface Quantisation {
  readonly scale: Tensor
  readonly zero: Tensor | undefined
  readonly axis: number
  /** Elements along the axis that share a scale; 0 where each index (or everything) has one. */
  readonly block: number
}

/** What a Q or DQ node says; undefined where scale or zero point are computed. */
export function quantisationOf(node: Node, constant: (value: string) => Tensor | undefined): Quantisation | undefined {
  const scale = constant(node.inputs[1] ?? '')
  const zeroName = node.inputs[2] ?? ''
  const zero = constant(zeroName)
  if (scale === undefined || (zeroName !== '' && zero === undefined)) return undefined
  return { scale, zero, axis: intAttribute(node, 'axis', 1), block: intAttribute(node, 'block_size', 0) }
}

/** Whether two pairs of scale and zero point say the same. */
export function sameQuantisation(a: Quantisation, b: Quantisation): boolean {
  const same = (x: Tensor | undefined, y: Tensor | undefined) => {
    if (x === y) return true
    const [p, q] = [x ? toNumbers(x) : [0], y ? toNumbers(y) : [0]]
    return p.length === q.length ? p.every((v, i) => v === q[i]) : p.concat(q).every((v) => v === 0)
  }
  return same(a.scale, b.scale) && same(a.zero, b.zero) && a.axis === b.axis && a.block === b.block
}

/** The integer type that a QuantizeLinear gives; undefined for a floating-point one. */
export function quantisedRange(node: Node, { zero }: Quantisation): readonly [number, number] | undefined {
  const asked = elementTypeOf(intAttribute(node, 'output_dtype', ELEMENT_TYPES.undefined))
  return RANGES[zero?.type ?? (asked === undefined || asked === 'undefined' ? 'uint8' : asked)]
}

/** For each element of a tensor of the shape, which scale is its own. */
function scaleIndex(
  dims: readonly number[],
  { scale, axis, block }: Quantisation,
  where: string,
): (i: number) => number {
  if (scale.dims.length === 0 || (scale.dims.length === 1 && scale.dims[0] === 1 && block === 0)) return () => 0
  const at = axis < 0 ? axis + dims.length : axis
  const size = dims[at]
  if (size === undefined)
    throw new GraftError(`${where} is quantised along axis ${axis}; its shape is [${dims}].`, {
      remedy: 'The file is damaged; quantise or export it again.',
    })
  const inner = dims.slice(at + 1).reduce((product, d) => product * d, 1)
  const blocks = block > 0 ? Math.ceil(size / block) : size
  const expected = block > 0 ? dims.map((d, i) => (i === at ? blocks : d)) : [size]
  if (scale.dims.length !== expected.length || scale.dims.some((d, i) => d !== expected[i]))
    throw new GraftError(
      `${where}: a tensor of shape [${dims}] has scales of shape [${scale.dims}], expected [${expected}].`,
      { remedy: 'The file is damaged; quantise or export it again.' },
    )
  if (block === 0) return (i) => Math.floor(i / inner) % size
  const outer = inner * size
  return (i) => {
    const along = Math.floor((i % outer) / inner)
    return (Math.floor(i / outer) * blocks + Math.floor(along / block)) * inner + (i % inner)
  }
}

/** The numbers that quantised ones stand for, rounded as onnxruntime rounds. */
export function dequantise(
  values: ArrayLike<number>,
  dims: readonly number[],
  quantisation: Quantisation,
  where: string,
): Float32Array {
  const index = scaleIndex(dims, quantisation, where)
  const scales = toNumbers(quantisation.scale)
  const zeros = quantisation.zero ? toNumbers(quantisation.zero) : []
  const out = new Float32Array(values.length)
  for (let i = 0; i < out.length; i++) {
    const k = index(i)
    out[i] = Math.fround((values[i] as number) - (zeros[k] ?? 0)) * (scales[k] as number)
  }
  return out
}

/** The integers that numbers are quantised to: round(x / scale), half to even, plus the zero point, within the range. */
export function quantise(
  values: ArrayLike<number>,
  dims: readonly number[],
  quantisation: Quantisation,
  [lowest, highest]: readonly [number, number],
  where: string,
): Int32Array {
  const index = scaleIndex(dims, quantisation, where)
  const scales = toNumbers(quantisation.scale)
  const zeros = quantisation.zero ? toNumbers(quantisation.zero) : []
  const out = new Int32Array(values.length)
  for (let i = 0; i < out.length; i++) {
    const k = index(i)
    const rounded = halfToEven(Math.fround((values[i] as number) / (scales[k] as number))) + (zeros[k] ?? 0)
    out[i] = Math.min(Math.max(rounded, lowest), highest)
  }
  return out
}

function halfToEven(x: number): number {
  const below = Math.floor(x)
  const rest = x - below
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1
  return below % 2 === 0 ? below : below + 1
}
