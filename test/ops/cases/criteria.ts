/** The standard's loss operators. */
import { between } from '../../support/draw.js'
import { int, type OperatorCase, text, use, whole, x } from './case.js'

const logs = between(-3, -0.1)
const weights = between(0.5, 2)

const uses = (opType: string, draw: typeof logs | undefined, outputs = 1): OperatorCase[] =>
  ['mean', 'sum', 'none'].flatMap((kind) => {
    const reduction = { reduction: text(kind) }
    const labels = whole([3], [0, 3, 1])
    const map = whole([2, 2, 2], [0, 2, 1, 1, 0, 0, 2, 1])
    return [
      use(opType, [x([3, 4], draw), labels], { opset: 13, attributes: reduction, outputs }),
      use(opType, [x([3, 4], draw), whole([3], [2, 2, 0], 'int32')], { opset: 13, attributes: reduction, outputs }),
      use(opType, [x([3, 4], draw), labels, x([4], weights)], { opset: 12, attributes: reduction, outputs }),
      use(opType, [x([2, 3, 2, 2], draw), map], { opset: 12, attributes: reduction, outputs }),
      use(opType, [x([2, 3, 2, 2], draw), map, x([3], weights)], {
        opset: 13,
        attributes: { ...reduction, ignore_index: int(1) },
        outputs,
      }),
      use(opType, [x([3, 4], draw), whole([3], [0, -100, 1])], {
        opset: 13,
        attributes: { ...reduction, ignore_index: int(-100) },
        outputs,
      }),
    ]
  })

export const criterionCases: readonly OperatorCase[] = [
  ...uses('NegativeLogLikelihoodLoss', logs),
  ...uses('SoftmaxCrossEntropyLoss', undefined, 1),
  ...uses('SoftmaxCrossEntropyLoss', undefined, 2),
]
