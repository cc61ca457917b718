/** BSS: batch spectral shrinkage, against features that transfer badly. */
import { UsageError } from '../../../base/errors.js'
import { smallestSquares } from '../../../losses/singularValues.js'
import type { TuningMethod } from '../method.js'
import { featuresOf } from './inside.js'

export interface SpectralShrinkageOptions {
  /** eta. @default 0.001 */
  readonly eta?: number
  /** How many singular values are shrunk. @default 1 */
  readonly k?: number
}

/**
 * L + eta sum over the k smallest singular values of the batch's features F (N, D) of sigma_i^2 (Chen et al. 2019, "Catastrophic
 * Forgetting Meets Negative Transfer: Batch Spectral Shrinkage for Safe Transfer Learning", NeurIPS).
 *
 * The gradient is exact: see `losses/singularValues.ts`.
 *
 * What fills up a batch is left out. With micro-batches each is shrunk by itself.
 */
export function spectralShrinkage(options: SpectralShrinkageOptions = {}): TuningMethod {
  const { eta = 0.001, k = 1 } = options
  if (!Number.isInteger(k) || k < 1) throw new UsageError(`spectral shrinkage: k is ${k}; expected 1 or more.`)
  const name = 'bss'
  return {
    name,
    options: { eta, k },
    prepare({ network, settings }) {
      const { value: features, width } = featuresOf(network, 'Spectral shrinkage')
      const most = Math.min(width, settings.batch)
      if (k > most)
        throw new UsageError(
          `spectral shrinkage: k is ${k}; ${settings.batch} samples of ${width} features have ${most} singular values.`,
        )
      return {
        name,
        values: [features],
        loss({ g, value, rows, share }) {
          const sum = smallestSquares(g, value(features), rows, k)
          return { add: g.op('Mul', [sum, g.op('Mul', [share, g.float(eta)])]) }
        },
      }
    },
  }
}
