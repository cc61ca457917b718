/** All cases, and the table's rows that have none with the reason. */
import { MICROSOFT, type Operator } from '#graft/ops/operator.js'
import { microsoftQuantizedOperators, quantizedOperators } from '#graft/ops/quantizedOperators.js'
import { lookup } from '#graft/ops/table.js'
import { activationCases, trigonometryCases } from './activations.js'
import { attentionCases } from './attention.js'
import { bitCases } from './bits.js'
import type { OperatorCase } from './case.js'
import { criterionCases } from './criteria.js'
import { cumulativeCases } from './cumulative.js'
import { einsumCases } from './einsum.js'
import { elementwiseCases } from './elementwise.js'
import { fusedWindowCases } from './fusedWindows.js'
import { indexingCases } from './indexing.js'
import { linearAlgebraCases } from './linearAlgebra.js'
import { logicCases } from './logic.js'
import { microsoftFusedCases } from './microsoftFused.js'
import { movementCases } from './movement.js'
import { normalizationCases } from './normalizations.js'
import { productCases } from './products.js'
import { quantizationCases } from './quantization.js'
import { recurrentCases } from './recurrent.js'
import { reductionCases } from './reductions.js'
import { resizingCases } from './resizing.js'
import { spectralCases } from './spectral.js'
import { transposedCases } from './transposed.js'
import { windowCases } from './windows.js'

export const cases: readonly OperatorCase[] = [
  ...elementwiseCases,
  ...activationCases,
  ...trigonometryCases,
  ...bitCases,
  ...attentionCases,
  ...microsoftFusedCases,
  ...cumulativeCases,
  ...einsumCases,
  ...linearAlgebraCases,
  ...criterionCases,
  ...spectralCases,
  ...logicCases,
  ...movementCases,
  ...reductionCases,
  ...productCases,
  ...quantizationCases,
  ...windowCases,
  ...recurrentCases,
  ...indexingCases,
  ...resizingCases,
  ...transposedCases,
  ...normalizationCases,
  ...fusedWindowCases,
]

const quantized = Object.entries({ '': quantizedOperators, [`${MICROSOFT}.`]: microsoftQuantizedOperators })
  .flatMap(([prefix, table]) =>
    Object.entries<Operator>(table).map(([opType, row]) => [`${prefix}${opType}`, row] as const),
  )
  .flatMap(([name, { gradient }]) => (gradient.kind === 'expanded' ? [name] : []))

/** Rows that stand for no node of a program, or that quantized.test.ts has cases of. By domain and name. */
export const WITHOUT_CASES: ReadonlyMap<string, string> = new Map([
  ...quantized.map((name) => [name, 'rounds: no central difference is its gradient'] as const),
  ['Constant', 'read as an initializer, never appended'],
  ['NonMaxSuppression', 'gives a number of boxes that no shape can say'],
  ...['RandomNormal', 'RandomUniform', 'RandomNormalLike', 'RandomUniformLike', 'Bernoulli', 'Multinomial'].map(
    (name) => [name, 'refused when a model is read'] as const,
  ),
])

export const rowOf = (operatorCase: OperatorCase) => lookup(operatorCase.domain, operatorCase.opType)
