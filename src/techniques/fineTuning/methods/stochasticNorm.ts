/** StochNorm: batch norm that takes the batch's statistics in some channels and the moving ones in the others. */
import { GraftError, UsageError } from '../../../base/errors.js'
import type { TuningMethod } from '../method.js'

export interface StochasticNormOptions {
  /** Of the batch's statistics. @default 0.5 */
  readonly probability?: number
}

/**
 * In training, channel i is normalised by s_i times the batch's and (1 - s_i) times the moving statistics, s_i being 1 with this
 * probability, drawn for each step; the moving ones follow as in batch norm. The saved network has the moving ones alone (Kou,
 * You, Long and Wang 2020, "Stochastic Normalization", NeurIPS). It takes the place of frozen or train-mode batch norm.
 */
export function stochasticNorm(options: StochasticNormOptions = {}): TuningMethod {
  const { probability = 0.5 } = options
  if (!(probability >= 0 && probability <= 1))
    throw new UsageError(`stochastic norm: probability is ${probability}; expected 0 to 1.`)
  const name = 'stochastic-norm'
  return {
    name,
    options: { probability },
    prepare({ network }) {
      if (!network.model.graph.nodes.some(({ opType }) => opType === 'BatchNormalization'))
        throw new GraftError(
          'Stochastic norm chooses between statistics of batch norm; this network has no batch norm.',
          {
            remedy: 'Leave the method out, or take a network with batch norm (exporters may have folded it away).',
          },
        )
      return { name, batchNorm: { kind: 'stochastic', probability } }
    },
  }
}
