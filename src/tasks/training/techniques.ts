/** Techniques as values: a name for its defaults, or one of these for its options. */
import { UsageError } from '../../base/errors.js'
import { type MethodValue, textOf } from './methods/values.js'
import type { TrainInput } from './trainOptions.js'

type Options<K extends keyof TrainInput> = Partial<Pick<TrainInput, K>>

export type FeatureExtractionOptions = Options<'classifier'> & (Options<'unfreeze'> & SharedTuning)
export interface FineTuningOptions
  extends Options<'schedule' | 'batchNorm' | 'augment' | 'mixup' | 'cutmix'>,
    SharedTuning {
  /** What trains and what is added to the training: `lora({ rank: 8 })`, `l2sp()`, ..., or their names. @default every weight */
  readonly methods?: readonly (string | MethodValue)[]
}

interface SharedTuning
  extends Options<
    | 'epochs'
    | 'batch'
    | 'accumulate'
    | 'ema'
    | 'patience'
    | 'lr'
    | 'findLr'
    | 'optimizer'
    | 'momentum'
    | 'nesterov'
    | 'weightDecay'
    | 'lrSchedule'
    | 'warmup'
    | 'layerDecay'
    | 'clip'
    | 'labelSmoothing'
    | 'classWeights'
    | 'balancedSampling'
    | 'memory'
  > {}

/** A technique with its options. */
export interface Technique {
  readonly name: 'feature-extraction' | 'setfit' | 'fine-tuning'
  readonly options: Readonly<Partial<TrainInput>>
}

/** A classifier on the features of the frozen backbone; with `unfreeze`, its last blocks train too. */
export function featureExtraction(options: FeatureExtractionOptions = {}): Technique {
  return { name: 'feature-extraction', options }
}

/** Training of every weight; by default the head first (LP-FT, Kumar et al. 2022). */
export function fineTuning(options: FineTuningOptions = {}): Technique {
  const { methods, ...rest } = options
  return { name: 'fine-tuning', options: methods === undefined ? rest : { ...rest, methods: methods.map(textOf) } }
}

/** Partners of each kind a sample, and how the body is trained on them: by default as in the paper. */
export type SetFitOptions = Options<'rounds' | 'epochs' | 'batch' | 'lr' | 'weightDecay' | 'clip'>

/** Training on pairs of samples, then a linear head: for a few labels (Tunstall et al. 2022). */
export function setFit(options: SetFitOptions = {}): Technique {
  return { name: 'setfit', options }
}

/** Flat options, as a run file has them. */
export function flatten(
  technique: string | Technique | undefined,
  options: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  if (technique === undefined) return { ...options }
  if (typeof technique === 'string') return { ...options, technique }
  for (const key of Object.keys(technique.options))
    if (options[key] !== undefined)
      throw new UsageError(`option "${key}" is given twice: beside the technique and inside it.`, {
        remedy: 'Give it once.',
      })
  return { ...options, ...technique.options, technique: technique.name }
}
