/** Quantising and back. The stored integers are constants; scales are differentiated. */
import { attr } from '#graft/graph/graph.js'
import { type ElementType, sizeOf, type Tensor } from '#graft/graph/tensor.js'
import { between } from '../../support/draw.js'
import { constant, number, type OperatorCase, omitted, plain, use, x } from './case.js'

/** Integers of a type that differ, negative ones among them where there are any. */
function integers(type: ElementType, dims: readonly number[]): Tensor {
  const size = sizeOf(dims)
  const value = (i: number) => ((i * 37) % 97) - (type.startsWith('u') ? 0 : 48)
  if (type === 'int8') return { type, dims, data: Int8Array.from({ length: size }, (_, i) => value(i)) }
  if (type === 'uint8') return { type, dims, data: Uint8Array.from({ length: size }, (_, i) => value(i)) }
  if (type === 'int32') return { type, dims, data: Int32Array.from({ length: size }, (_, i) => 1000 * value(i)) }
  return { type, dims, data: Uint8Array.from({ length: Math.ceil(size / 2) }, (_, i) => (i * 73) % 256) }
}
const of = (type: ElementType, ...dims: number[]) => constant(integers(type, dims))
const positive = between(0.5, 2)
const axis = (value: number) => ({ axis: attr.int(value) })

export const quantizationCases: readonly OperatorCase[] = [
  use('DynamicQuantizeLinear', [plain([2, 3], [-0.4, 0.1, 2.3, 0.7, -1.1, 0])], { outputs: 3 }),
  use('DequantizeLinear', [of('int8', 3, 4), x([], positive)]),
  use('DequantizeLinear', [of('uint8', 2, 3, 5), x([], positive), of('uint8')]),
  use('DequantizeLinear', [of('int8', 4, 3, 2, 2), x([4], positive), of('int8', 4)], { attributes: axis(0) }),
  use('DequantizeLinear', [of('int8', 2, 6), x([6], positive), omitted], { attributes: axis(-1) }),
  use('DequantizeLinear', [of('int32', 6), x([6], positive)], { attributes: axis(0) }),
  use('DequantizeLinear', [of('int4', 4, 6), x([2, 6], positive), of('int4', 2, 6)], {
    attributes: { ...axis(0), block_size: attr.int(2) },
  }),
  use('DequantizeLinear', [of('uint4', 2, 5, 3), x([2, 2, 3], positive), of('uint4', 2, 2, 3)], {
    attributes: { ...axis(1), block_size: attr.int(3) },
    note: 'the last block is short',
  }),
  use('QuantizeLinear', [x([2, 5]), number(0.05), of('uint8')]),
  use(
    'QuantizeLinear',
    [x([2, 3, 2]), constant({ type: 'float32', dims: [3], data: Float32Array.of(0.1, 0.2, 0.3) }), of('int8', 3)],
    {
      attributes: axis(1),
    },
  ),
  use('QuantizeLinear', [x([7]), number(0.1)]),
  ...['com.microsoft'].flatMap((domain) => [
    use('DequantizeLinear', [of('int8', 3, 4), x([], positive), of('int8')], { domain }),
    use('DequantizeLinear', [of('uint8', 4, 3), x([3], positive), of('uint8', 3)], { domain, attributes: axis(1) }),
    use('QuantizeLinear', [x([2, 5]), number(0.05), of('uint8')], { domain }),
  ]),
]
