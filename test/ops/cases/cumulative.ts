/** Running sums and products. */
import { among, type Draw, normal } from '../../support/draw.js'
import { int, type OperatorCase, plain, scalarInt, use, whole, x } from './case.js'

const WAYS = [{}, { exclusive: int(1) }, { reverse: int(1) }, { exclusive: int(1), reverse: int(1) }]

/** Products, forwards or backwards, without or with the element itself. */
function products(values: readonly number[], exclusive: boolean, backwards: boolean): number[] {
  const order = backwards ? values.toReversed() : values
  const out = order.map((_, i) => order.slice(0, i + (exclusive ? 0 : 1)).reduce((a, b) => a * b, 1))
  return backwards ? out.reverse() : out
}

const both = (opType: string, draw: Draw, opset?: number): OperatorCase[] =>
  WAYS.flatMap((attributes) => [
    use(opType, [x([5], draw), scalarInt(0)], { attributes, ...(opset ? { opset, expected: [] } : {}) }),
    use(opType, [x([2, 4, 3], draw), scalarInt(1)], { attributes, ...(opset ? { opset, expected: [] } : {}) }),
    use(opType, [x([2, 4, 3], draw), scalarInt(-1)], { attributes, ...(opset ? { opset, expected: [] } : {}) }),
  ])

const factors = [2, -1, 0.5, 0, 3]

export const cumulativeCases: readonly OperatorCase[] = [
  ...both('CumSum', normal),
  use('CumSum', [whole([2, 3], [1, 0, 1, 1, 1, 0]), scalarInt(1)], { note: 'int64' }),
  use('CumSum', [whole([5], [1, 2, 3, 4, 5], 'int32'), scalarInt(0)], { note: 'int32' }),
  ...both('CumProd', among([-1.5, -0.5], [0.5, 1.5]), 26),
  ...WAYS.map((attributes) =>
    use('CumProd', [plain([5], factors), scalarInt(0)], {
      opset: 26,
      attributes,
      expected: [products(factors, 'exclusive' in attributes, 'reverse' in attributes)],
    }),
  ),
]
