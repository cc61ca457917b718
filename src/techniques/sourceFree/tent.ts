/** TENT: the entropy of predictions is minimised by the scales and shifts of norms. */
import { UsageError } from '../../base/errors.js'
import { entropies } from '../../losses/domain/entropy.js'
import { adam, type Optimizer, sgd } from '../../optim/optimizer.js'
import { checkNeeds, type StreamMethod } from './method.js'
import { openWeights } from './weightStream.js'
import { meanOver, type StreamLoss, type StreamLossContext, StreamWeights } from './weights.js'

export interface NormStreamOptions {
  /** @default adam for tent, sgd with momentum 0.9 for eata and sar */
  readonly optimizer?: 'adam' | 'sgd' | undefined
  readonly lr?: number | undefined
  /**
   * Where the network has batch norm: samples that its running statistics count for beside the batch's. 0 takes the batch's alone,
   * as the papers do on batches of 64 and more; small batches, or batches of one class, need some. @default 256
   */
  readonly prior?: number | undefined
}

/**
 * Each batch is answered, then the scales and shifts of its batch, layer or group norms take one step down the mean entropy of the
 * answers; batch norm takes the batch's statistics (Wang, Shelhamer, Liu, Olshausen and Darrell 2021, "Tent: Fully Test-Time
 * Adaptation by Entropy Minimization", arXiv:2006.10726). Under label shift it can collapse to few classes: leave the guard on.
 */
export function tent(options: NormStreamOptions = {}): StreamMethod {
  const { optimizer = 'adam', lr = 1e-3, prior = 256 } = options
  checkNormOptions('tent', lr, prior)
  const method = {
    name: 'tent',
    title: 'TENT',
    paper: 'Wang, Shelhamer, Liu, Olshausen and Darrell 2021, arXiv:2006.10726',
    options: { optimizer, lr, prior },
    needs: ['norm'],
    regime: 'mixed',
  } as const
  return {
    ...method,
    async open(context) {
      checkNeeds(method, context.network)
      const weights = await StreamWeights.open(context, {
        trains: context.network.norms,
        prior,
        optimizer: normOptimizer(optimizer),
        rate: lr,
        loss: tentLoss,
      })
      return openWeights(weights)
    },
  }
}

/** Appends the mean entropy of the batch. */
export function tentLoss({ g, logits, rows }: StreamLossContext): StreamLoss {
  return { loss: meanOver(g, entropies(g, logits), rows) }
}

export function normOptimizer(name: 'adam' | 'sgd'): Optimizer {
  return name === 'adam' ? adam() : sgd({ momentum: 0.9 })
}

/** @throws UsageError naming the option */
export function checkNormOptions(method: string, lr: number, prior: number): void {
  if (!(lr > 0)) throw new UsageError(`${method}: lr is ${lr}; expected above 0.`)
  if (!(prior >= 0)) throw new UsageError(`${method}: prior is ${prior}; expected 0 samples or more.`)
}
