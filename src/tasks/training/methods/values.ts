/** Methods as values, for programs: a name with typed options. What a run keeps of one is its text. */
import { UsageError } from '../../../base/errors.js'
import type { BiTuningOptions } from '../../../techniques/fineTuning/methods/biTuning.js'
import type { CoTuningOptions } from '../../../techniques/fineTuning/methods/coTuning.js'
import type { DeltaOptions } from '../../../techniques/fineTuning/methods/delta.js'
import type { L2spOptions } from '../../../techniques/fineTuning/methods/l2sp.js'
import type { SharpnessOptions } from '../../../techniques/fineTuning/methods/sharpness.js'
import type { SpectralShrinkageOptions } from '../../../techniques/fineTuning/methods/spectralShrinkage.js'
import type { StochasticNormOptions } from '../../../techniques/fineTuning/methods/stochasticNorm.js'
import type { WiseFtOptions } from '../../../techniques/fineTuning/methods/wiseFt.js'
import { methodText, type OptionValue } from './specification.js'

/** A method with its options: an adapter such as `lora()`, or one of those below. */
export interface MethodValue {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
}

const method =
  <O extends object>(name: string) =>
  (options?: O): MethodValue => ({ name, options: { ...options } })

/** Holds weights near the pretrained ones (Li, Grandvalet and Davoine 2018). */
export const l2sp = method<L2spOptions>('l2-sp')
/** Holds what inner layers see near what it was (Li et al. 2019). */
export const delta = method<DeltaOptions>('delta')
/** Batch spectral shrinkage (Chen et al. 2019). */
export const bss = method<SpectralShrinkageOptions>('bss')
/** Trains the backbone's own classifier on beside the new one (You et al. 2020). */
export const coTuning = method<CoTuningOptions>('co-tuning')
/** Contrastive losses on classifier and projector (Zhong et al. 2020). */
export const biTuning = method<BiTuningOptions>('bi-tuning')
/** Stochastic normalisation (Kou et al. 2020). */
export const stochasticNorm = method<StochasticNormOptions>('stochastic-norm')
/** Sharpness-aware minimisation (Foret et al. 2021). */
export const sam = method<SharpnessOptions>('sam')
/** Weights between start and end (Wortsman et al. 2022). */
export const wiseFt = method<WiseFtOptions>('wise-ft')

export interface TeacherOptions {
  /** A model folder or an .onnx file that knows the same classes. */
  readonly teacher: string
  /** @default 2 */
  readonly temperature?: number
  /** The teacher's share of the loss. @default 0.5 */
  readonly alpha?: number
}
/** Learns from another model's answers (Hinton, Vinyals and Dean 2015). */
export const distillation = (options: TeacherOptions): MethodValue => ({
  name: 'distillation',
  options: { ...options },
})

export interface LearningWithoutForgettingOptions {
  /** @default 2 */
  readonly temperature?: number
  /** @default 1 */
  readonly weight?: number
}
/** Keeps what a model that is trained further said before (Li and Hoiem 2016). */
export const lwf = method<LearningWithoutForgettingOptions>('lwf')

export interface ElasticWeightConsolidationOptions {
  /** @default 100 */
  readonly lambda?: number
  /** Samples on which it is measured what matters. @default 200 */
  readonly samples?: number
}
/** Holds the weights that mattered to a model that is trained further (Kirkpatrick et al. 2017). */
export const ewc = method<ElasticWeightConsolidationOptions>('ewc')

/** @throws UsageError for an option that text cannot hold */
export function textOf(value: string | MethodValue): string {
  if (typeof value === 'string') return value
  const options: Record<string, OptionValue> = {}
  for (const [key, found] of Object.entries(value.options)) {
    if (found === undefined || found === null) continue
    options[key] = asText(value.name, key, found)
  }
  return methodText({ name: value.name, options })
}

function asText(name: string, key: string, value: unknown): OptionValue {
  const single = (part: unknown) => typeof part === 'number' || typeof part === 'boolean' || typeof part === 'string'
  if (single(value)) return value as OptionValue
  if (Array.isArray(value) && value.every(single)) return value.map(String)
  throw new UsageError(
    `${name}: the option ${key} holds what no run file can hold; expected numbers, switches or names.`,
    { remedy: 'Name layers by the ends of their names, with * for anything, instead of a regular expression.' },
  )
}
