/** L2-SP: weights are held near those that the training starts from. */
import { sumOfSquares } from '../../../losses/weighted.js'
import type { TuningMethod } from '../method.js'
import { headOf, scaledSum, startingWeights } from './penalty.js'

export interface L2spOptions {
  /** Of the distance of the pretrained weights from their start. @default 0.1 */
  readonly alpha?: number
  /** Of the head, which has no pretrained weights. @default 0.01 */
  readonly beta?: number
}

/**
 * L + alpha / 2 sum norm(w - w0)^2 over the backbone's trained weights + beta / 2 sum norm(w)^2 over the head's (Li, Grandvalet
 * and Davoine 2018, "Explicit Inductive Bias for Transfer Learning with Convolutional Networks", arXiv:1802.01483). It takes the
 * place of weight decay, which is better set to 0 beside it.
 */
export function l2sp(options: L2spOptions = {}): TuningMethod {
  const { alpha = 0.1, beta = 0.01 } = options
  return {
    name: 'l2-sp',
    options: { alpha, beta },
    prepare({ network }) {
      const head = headOf(network)
      const start = startingWeights(network)
      return {
        name: 'l2-sp',
        fixed: start,
        loss({ g, trained, fixed, share }) {
          const moved: string[] = []
          const fresh: string[] = []
          for (const name of trained) {
            if (head.has(name)) fresh.push(sumOfSquares(g, name))
            else if (start[name] !== undefined) moved.push(sumOfSquares(g, g.op('Sub', [name, fixed(name)])))
          }
          const penalty = g.op('Add', [scaledSum(g, moved, alpha / 2), scaledSum(g, fresh, beta / 2)])
          return { add: g.op('Mul', [penalty, share]) }
        },
      }
    },
  }
}
