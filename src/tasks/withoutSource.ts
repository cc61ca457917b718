/** Adapting a saved model to unlabelled samples where the data that it was trained on is not at hand. */
import type { Matrix } from '../base/matrix.js'
import type { TextDataset } from '../data/text/types.js'
import type { ImageDataset } from '../data/types.js'
import type { Run } from '../techniques/run/run.js'
import type { Model } from './loadModel.js'

export interface WithoutSourceOptions {
  /** @default 'shot' */
  readonly method?: 'shot' | undefined
  /** Blocks that train, counted from the classifier down; the classifier stays as it is. @default 2 */
  readonly unfreeze?: number | undefined
  /** Passes over the samples. @default 15 */
  readonly epochs?: number | undefined
  /** Samples a step. @default 64 */
  readonly batch?: number | undefined
  /** Highest learning rate. @default 0.01 */
  readonly lr?: number | undefined
  /** @default 0 */
  readonly seed?: number | undefined
  /** @default the machine's cores */
  readonly threads?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What a network says of the samples: features (N, D) where its head stands on one row a sample, and logits (N, C). */
export interface SampleOutputs {
  readonly logits: Matrix
  readonly features: Matrix | undefined
}

export interface WithoutSourceResult {
  /** The one that is kept: predicts, is measured and is saved as a folder. Where it is `unadapted` its network is the one given. */
  readonly model: Model
  readonly kept: 'adapted' | 'unadapted'
  /** Sentences for a person: what was found, and why this one is kept. */
  readonly reasons: readonly string[]
  /** The samples, in the order of the rows below; those that cannot be read are left out. */
  readonly ids: readonly string[]
  readonly unadapted: SampleOutputs
  /** Also where it is not kept. */
  readonly adapted: SampleOutputs
  /** Share of the predictions that changed, by epoch. */
  readonly drift: readonly number[]
}

/**
 * Adapts the model in a folder to a target whose labels, where it has any, are not looked at.
 *
 * @throws UsageError where the target is of another kind than the model or has no samples; GraftError where the method cannot be
 * had for this network, saying why
 */
export type AdaptWithoutSource = (
  folder: string,
  target: ImageDataset | TextDataset,
  options?: WithoutSourceOptions,
) => Run<WithoutSourceResult>
