/** BN-adapt: batch norm by the statistics of what comes in. */
import { UsageError } from '../../base/errors.js'
import { AnsweringPrograms } from './forward.js'
import { checkNeeds, type StreamMethod } from './method.js'

export interface BnAdaptOptions {
  /** N, the samples that the running statistics count for beside the batch's; 0 takes the batch's alone. @default 256 */
  readonly prior?: number | undefined
}

/**
 * Each batch norm takes m = N / (N + n) m_s + n / (N + n) m_t, and its variance likewise: the running statistics of training and
 * those of the n samples of the batch (Schneider, Rusak, Eck, Bringmann, Brendel and Bethge 2020, "Improving robustness against
 * common corruptions by covariate shift adaptation", arXiv:2006.16971). No weight changes, nothing is kept between batches.
 */
export function bnAdapt(options: BnAdaptOptions = {}): StreamMethod {
  const { prior = 256 } = options
  if (!(prior >= 0)) throw new UsageError(`bn-adapt: prior is ${prior}; expected 0 samples or more.`)
  const method = {
    name: 'bn-adapt',
    title: 'BN-adapt',
    paper: 'Schneider, Rusak, Eck, Bringmann, Brendel and Bethge 2020, arXiv:2006.16971',
    options: { prior },
    needs: ['batch norm'],
    regime: 'mixed',
  } as const
  return {
    ...method,
    async open(context) {
      checkNeeds(method, context.network)
      const programs = new AnsweringPrograms(context, prior)
      return {
        async answer(batch, { logits }, learn) {
          if (!learn) return { logits, learnt: false }
          return { logits: (await programs.run(batch)).logits, learnt: true }
        },
        reset: async () => undefined,
        release: () => programs.release(),
      }
    },
  }
}
