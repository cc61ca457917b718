/** A stream method that is nothing but steps of weights. */
import type { HostTensor } from '../../runtime/types.js'
import type { OpenStreamMethod } from './method.js'
import type { StepAnswer, StreamWeights } from './weights.js'

export interface StepHooks {
  /** What is fed beside the batch. */
  readonly feeds?: () => Readonly<Record<string, HostTensor>>
  /** After a step. @returns why the method has to begin anew, where it has */
  readonly after?: (answer: StepAnswer) => string | undefined
  readonly reset?: () => void
}

export function openWeights(weights: StreamWeights, hooks: StepHooks = {}): OpenStreamMethod {
  return {
    async answer(batch, _, learn) {
      if (!learn) return { logits: (await weights.answer(batch)).logits, learnt: false }
      const answer = await weights.step(batch, hooks.feeds?.())
      const collapsed = hooks.after?.(answer)
      return { logits: answer.outputs.logits, learnt: answer.moved, collapsed }
    },
    async reset() {
      hooks.reset?.()
      await weights.reset()
    },
    release: () => weights.release(),
  }
}
