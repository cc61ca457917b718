/** WiSE-FT: the weights between where training started and where it ended. */
import { UsageError } from '../../../base/errors.js'
import type { TuningMethod, Weights } from '../method.js'
import { mixWeights } from './mixWeights.js'

export interface WiseFtOptions {
  /** 0 is the start, 1 the end. Default: that of `candidates` which does best on the validation samples */
  readonly alpha?: number
  /** @default 0, 0.1, ..., 1 */
  readonly candidates?: readonly number[]
}

/** Without validation samples: what its authors recommend where nothing is known. */
const MIDDLE = 0.5

/**
 * theta = (1 - alpha) theta_0 + alpha theta_1, all weights with the head (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
 * models", arXiv:2109.01903): often better than both ends, more so on data that differ from the training's. The start has to
 * work by itself, as after LP-FT: between random and trained weights nothing useful lies.
 *
 * The best value counts, then the lowest loss.
 */
export function wiseFt(options: WiseFtOptions = {}): TuningMethod {
  const { candidates = Array.from({ length: 11 }, (_, i) => i / 10) } = options
  for (const alpha of [...candidates, options.alpha ?? 0])
    if (!(alpha >= 0 && alpha <= 1)) throw new UsageError(`wise-ft: alpha is ${alpha}; expected 0 to 1.`)
  const name = 'wise-ft'
  return {
    name,
    options: { alpha: options.alpha ?? null, candidates: [...candidates] },
    prepare({ settings, context }) {
      if (settings.schedule !== 'lp-ft')
        context.warn(
          `WiSE-FT goes back towards the weights that training starts from, whose head is random with the schedule ${settings.schedule}.`,
          'Choose the schedule lp-ft, which starts from a fitted head.',
        )
      return {
        name,
        async finish({ start, kept, evaluate }) {
          const at = (alpha: number): Weights => mixWeights([start, kept], [1 - alpha, alpha])
          if (options.alpha !== undefined || evaluate === undefined) {
            const alpha = options.alpha ?? MIDDLE
            const reason = options.alpha === undefined ? 'there are no validation samples to choose by' : 'as asked'
            context.decide('WiSE-FT alpha', alpha, reason)
            const weights = at(alpha)
            return evaluate ? { weights, logits: (await evaluate(weights)).logits } : { weights }
          }
          let best: { alpha: number; weights: Weights; found: Awaited<ReturnType<typeof evaluate>> } | undefined
          for (const alpha of candidates) {
            const weights = at(alpha)
            const found = await evaluate(weights)
            const [one, other] = [found.score, best?.found.score]
            if (other === undefined || one.value > other.value || (one.value === other.value && one.loss < other.loss))
              best = { alpha, weights, found }
          }
          if (best === undefined) return { weights: kept }
          context.decide('WiSE-FT alpha', best.alpha, `the best of ${candidates.length} on the validation samples`)
          return { weights: best.weights, logits: best.found.logits }
        },
      }
    },
  }
}
