/** What fine-tuning can be told, with every default filled in. */
import { UsageError } from '../../base/errors.js'
import type { MixOptions } from '../../data/augment.js'
import { adam, adamW, type Optimizer, sgd } from '../../optim/optimizer.js'
import { resolveSchedule, type Schedule, type ScheduleName, warmUp } from '../../optim/schedules.js'
import type { TuningMethod } from './method.js'

/** Which part of the forward pass is computed twice to save memory; see `passes/memory/recompute.ts`. */
export type Recomputation = {
  readonly segments: number
  readonly what: 'all' | 'cheap'
}

export interface TuningSettings {
  /** full and lp-ft train every layer from the first step on; gradual begins with the head (Howard and Ruder 2018). */
  readonly schedule: 'full' | 'lp-ft' | 'gradual'
  readonly epochs: number
  readonly batch: number
  readonly accumulate: number
  readonly batchNorm: 'frozen' | 'train'
  /** Decay of the moving average of the weights; 0 is off. */
  readonly ema: number
  /** Epochs without a better validation loss before the run stops; 0 is never. */
  readonly patience: number
  /** Highest learning rate; undefined is the optimizer's own default. */
  readonly lr?: number | undefined
  readonly optimizer: 'sgd' | 'adam' | 'adamw'
  readonly momentum: number
  readonly nesterov: boolean
  readonly weightDecay: number
  /** What decays: everything, or matrices and kernels alone, which leaves biases and norms as they are. @default 'all' */
  readonly decay?: 'all' | 'matrices'
  readonly lrSchedule: ScheduleName
  /** Share of the steps; from 1 on their number. */
  readonly warmup: number
  /** Rate of a layer over that of the next one. */
  readonly layerDecay: number
  /** 0 is off. */
  readonly clip: number
  readonly labelSmoothing: number
  readonly classWeights: boolean
  readonly balancedSampling: boolean
  /** Of a number to be predicted: Huber's loss or the squared error, in standard deviations. @default 'huber' */
  readonly numberLoss?: 'huber' | 'mse'
  /** Of the earth mover's distance beside the cross-entropy, where classes have an order. @default 1 */
  readonly ordinalWeight?: number
  /** Mixing of the photos of a batch. */
  readonly mix: MixOptions | undefined
  /** What else there is to the training; see `method.ts`. */
  readonly methods?: readonly TuningMethod[]
  readonly checkpointSeconds: number
  /** Where it is absent every activation is kept. */
  readonly recompute?: Recomputation
}

const DEFAULT_RATES = { sgd: 0.002, adam: 1e-4, adamw: 1e-4 } as const

export function learningRate(settings: Pick<TuningSettings, 'lr' | 'optimizer'>): number {
  return settings.lr ?? DEFAULT_RATES[settings.optimizer]
}

export function makeOptimizer(
  settings: Pick<TuningSettings, 'optimizer' | 'momentum' | 'nesterov' | 'weightDecay'>,
): Optimizer {
  const { weightDecay } = settings
  switch (settings.optimizer) {
    case 'sgd':
      return sgd({ momentum: settings.momentum, nesterov: settings.nesterov, weightDecay })
    case 'adam':
      return adam({ weightDecay })
    case 'adamw':
      return adamW({ weightDecay })
  }
}

/** The factor of the rate at each step. One cycle is its own warm-up. */
export function rateSchedule(settings: Pick<TuningSettings, 'lrSchedule' | 'warmup'>): Schedule {
  const schedule = resolveSchedule(settings.lrSchedule)
  return settings.lrSchedule === 'one-cycle' ? schedule : warmUp(schedule, { steps: settings.warmup })
}

/** @throws UsageError where two settings contradict each other. */
export function checkSettings(settings: TuningSettings): void {
  if (settings.classWeights && settings.balancedSampling)
    throw new UsageError(
      'classWeights and balancedSampling both correct for uneven classes; together they would do it twice.',
      {
        remedy: 'Choose one of the two.',
      },
    )
  if (settings.nesterov && settings.optimizer !== 'sgd')
    throw new UsageError(`nesterov is a form of sgd's momentum; the optimizer is ${settings.optimizer}.`, {
      remedy: 'Leave nesterov out or choose sgd.',
    })
}
