/** From the flat options to what the training loop takes. */
import { type AugmentPolicy, augmentPolicy } from '../../data/augment.js'
import { type MemoryPlan, withPlan } from '../../techniques/fineTuning/memory.js'
import type { TuningMethod } from '../../techniques/fineTuning/method.js'
import type { TuningSettings } from '../../techniques/fineTuning/settings.js'
import type { TrainOptions } from './trainOptions.js'

/** Decided on the way, so that they are not in the options. */
export interface Decided {
  readonly epochs: number
  readonly lr: number | undefined
  readonly memory?: MemoryPlan | undefined
  readonly methods?: readonly TuningMethod[] | undefined
}

export function tuningSettings(options: TrainOptions, decided: Decided): TuningSettings {
  const { mixup, cutmix } = options
  const policy = augmentation(options)
  const settings: TuningSettings = {
    schedule: options.schedule,
    epochs: decided.epochs,
    batch: options.batch,
    accumulate: options.accumulate,
    batchNorm: options.batchNorm,
    ema: options.ema,
    patience: options.patience,
    lr: decided.lr,
    optimizer: options.optimizer,
    momentum: options.momentum,
    nesterov: options.nesterov,
    weightDecay: options.weightDecay,
    decay: options.decay,
    lrSchedule: options.lrSchedule,
    warmup: options.warmup,
    layerDecay: options.layerDecay,
    clip: options.clip,
    labelSmoothing: options.labelSmoothing,
    classWeights: options.classWeights,
    balancedSampling: options.balancedSampling,
    mix: mixup > 0 || cutmix > 0 ? { mixup, cutMix: cutmix, probability: 1 } : policy?.mix,
    checkpointSeconds: options.checkpointSeconds,
    ...(decided.methods === undefined || decided.methods.length === 0 ? {} : { methods: decided.methods }),
  }
  return decided.memory === undefined ? settings : withPlan(settings, decided.memory)
}

export function augmentation(options: Pick<TrainOptions, 'augment'>): AugmentPolicy | undefined {
  return augmentPolicy(options.augment)
}
