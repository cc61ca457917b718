/** SAR: entropy minimised where it is flat, on reliable samples, with recovery from collapse. */
import { UsageError } from '../../base/errors.js'
import { entropies } from '../../losses/domain/entropy.js'
import { checkNeeds, type StreamMethod } from './method.js'
import type { SavedNetwork } from './network.js'
import { checkNormOptions, type NormStreamOptions, normOptimizer } from './tent.js'
import { openWeights } from './weightStream.js'
import { below, meanOver, type StreamLoss, type StreamLossContext, StreamWeights } from './weights.js'

export interface SarOptions extends NormStreamOptions {
  /** Samples count whose entropy is below this share of log C. @default 0.4 */
  readonly reliable?: number | undefined
  /** rho, the radius of the neighbourhood. @default 0.05 */
  readonly rho?: number | undefined
  /**
   * It begins anew where the moving mean of the loss falls below this share of log C. @default 0.029, the paper's 0.2 of its 1,000
   * classes
   */
  readonly recovery?: number | undefined
  /** Share of the blocks, from the classifier down, whose norms stay as they are. @default 0.25 */
  readonly frozen?: number | undefined
}

const RELIABLE = 'graft.sar.reliable'
/** Of the moving mean of the loss. */
const KEPT = 0.9

/**
 * Samples of entropy H_n < E0 = 0.4 log C count. The scales and shifts of norms move to where their mean entropy is highest within
 * rho, the gradient is taken there (again of reliable samples alone), and the step is made from where they were; the last blocks
 * stay as they are. Where the moving mean of the loss falls below a constant, the model has collapsed and begins anew (Niu, Wu,
 * Zhang, Wen, Chen, Zhao and Tan 2023, "Towards Stable Test-Time Adaptation in Dynamic Wild World", arXiv:2302.12400). Two passes
 * a batch.
 */
export function sar(options: SarOptions = {}): StreamMethod {
  const { optimizer = 'sgd', lr = 1e-3, prior = 256 } = options
  const { reliable = 0.4, rho = 0.05, recovery = 0.2 / Math.log(1000), frozen = 0.25 } = options
  checkNormOptions('sar', lr, prior)
  if (!(reliable > 0)) throw new UsageError(`sar: reliable is ${reliable}; expected above 0.`)
  if (!(rho > 0)) throw new UsageError(`sar: rho is ${rho}; expected above 0.`)
  if (!(frozen >= 0 && frozen < 1)) throw new UsageError(`sar: frozen is ${frozen}; expected 0 up to 1.`)
  const method = {
    name: 'sar',
    title: 'SAR',
    paper: 'Niu, Wu, Zhang, Wen, Chen, Zhao and Tan 2023, arXiv:2302.12400',
    options: { optimizer, lr, prior, reliable, rho, recovery, frozen },
    needs: ['norm'],
    regime: 'mixed',
  } as const
  return {
    ...method,
    async open(context) {
      checkNeeds(method, context.network)
      let limit = 0
      const weights = await StreamWeights.open(context, {
        trains: lowerNorms(context.network, frozen),
        prior,
        optimizer: normOptimizer(optimizer),
        rate: lr,
        ascent: {
          rho,
          loss(loss) {
            limit = recovery * Math.log(loss.g.shape(loss.logits)[1] as number)
            return sarLoss(loss, reliable, loss.rows)
          },
        },
        loss: (loss) => ({ loss: sarLoss(loss, reliable, loss.feed(RELIABLE, loss.g.shape(loss.rows))).loss }),
      })
      let mean: number | undefined
      return openWeights(weights, {
        after({ moved, loss }) {
          if (!moved) return undefined
          mean = mean === undefined ? loss : KEPT * mean + (1 - KEPT) * loss
          if (mean >= limit) return undefined
          return `the moving mean of its loss fell to ${mean.toFixed(3)}, below ${limit.toFixed(3)}`
        },
        reset() {
          mean = undefined
        },
      })
    },
  }
}

/**
 * Appends the mean entropy of the samples below `reliable` log C among those that `among`, (N), has as 1, and gives out which these
 * are. Not a number where there are none.
 */
export function sarLoss({ g, logits }: StreamLossContext, reliable: number, among: string): StreamLoss {
  const h = entropies(g, logits)
  const chosen = g.op('Mul', [below(g, h, reliable * Math.log(g.shape(logits)[1] as number)), among])
  return { loss: meanOver(g, h, chosen), extras: { [RELIABLE]: chosen } }
}

/** Scales and shifts of norms but for those of the last blocks. */
export function lowerNorms({ network, norms }: SavedNetwork, frozen: number): string[] {
  const upper = new Set(network.layers.slice(Math.ceil((1 - frozen) * network.layers.length)).flat())
  const lower = norms.filter((name) => !upper.has(name))
  return lower.length > 0 ? lower : [...norms]
}
