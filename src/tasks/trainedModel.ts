/** What every trained model does, of photos or of texts: predicts, is measured, and is saved as a folder that transformers.js loads. */
import type { GraftError } from '../base/errors.js'
import { UsageError } from '../base/errors.js'
import type { ImageItem } from '../data/images.js'
import type { TextItem } from '../data/text/options.js'
import type { TextDataset } from '../data/text/types.js'
import type { ImageDataset, SkippedFile } from '../data/types.js'
import type { Evaluation } from '../evaluate/evaluation.js'
import type { ModelFolderContents } from '../models/modelFolder.js'
import type { StreamOptions, StreamStatus } from '../techniques/sourceFree/stream.js'
import type { Outlier, UnknownOptions } from './statistics/unknown.js'

export interface Prediction {
  /** The class; of a number its name. */
  readonly label: string
  /** Probability, 0 ... 1; of a number the number itself. */
  readonly score: number
  /** Of words: the entity (or the word) as it stands in the text. */
  readonly word?: string
  /** Of words: where it begins and ends in the text, in UTF-16 units. */
  readonly start?: number
  readonly end?: number
}

/** A photo: its path or its encoded bytes. */
export type Photo = string | Uint8Array

/** A text, or two of them. */
export type Text = string | { readonly text: string; readonly pair?: string | undefined }

export interface PredictOptions {
  /** How many classes, the most probable first. @default all */
  readonly top?: number | undefined
  /**
   * Call samples that are unlike the training data unknown: as the first answer, before the classes. Thresholds were calibrated at
   * training. Not for models of words or of several tasks. @default never
   */
  readonly unknown?: UnknownOptions | undefined
  readonly signal?: AbortSignal | undefined
}

/** What became of one sample of many. */
export type SampleResult =
  | {
      readonly id: string
      readonly predictions: readonly Prediction[]
      /** Where unknown samples are asked for. */
      readonly outlier?: Outlier
    }
  | { readonly id: string; readonly error: GraftError }

export interface EvaluateOptions {
  /** Which samples. @default those of the test split where the data has one, all of them where it does not */
  readonly split?: 'train' | 'validation' | 'test' | 'all' | undefined
  readonly strict?: boolean | undefined
  /** Columns of texts, where they are not to be found out. */
  readonly text?: string | undefined
  readonly label?: string | undefined
  readonly pair?: string | undefined
  readonly splitColumn?: string | undefined
  /** Encoding of files of texts. @default UTF-8 or UTF-16, else windows-1252 */
  readonly encoding?: string | undefined
  /** Which subset of a Hugging Face data set that has several. */
  readonly subset?: string | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** Figures on labelled samples, and which these were. */
export type ModelEvaluation = Evaluation & {
  readonly split: string
  readonly skipped: readonly SkippedFile[]
}

/** Labelled samples: opened, or where they lie, or a list. */
export type LabelledData = string | ImageDataset | TextDataset | readonly (ImageItem | TextItem | string)[]

export interface AdaptStreamOptions extends StreamOptions, PredictOptions {
  /** Samples that go through the network together at most; larger batches are divided. @default as many as the first batch has, 64 at most */
  readonly batch?: number | undefined
}

export interface AdaptedBatch {
  /** One a sample, in their order; one that cannot be read has its error. */
  readonly results: readonly SampleResult[]
  /** False where these are the predictions of the model as it was saved. */
  readonly adapted: boolean
  /** Why they are, for a person. */
  readonly reason: string | undefined
}

/** Predictions batch after batch: `for await (const { results } of stream)`. */
export interface AdaptedStream extends AsyncIterableIterator<AdaptedBatch> {
  /** Back to the model as it was saved; what comes next is answered as if the stream began there. */
  reset(): Promise<void>
  /** Undefined before the first batch. */
  readonly status: StreamStatus | undefined
}

/** Batches of samples as they come: a list, or an async generator. */
export type SampleStream = AsyncIterable<readonly (Photo | Text)[]> | Iterable<readonly (Photo | Text)[]>

/** What models of photos and of texts have in common. */
export interface TrainedModel {
  /** Class names, in the order of the logits; of a number its name. */
  readonly labels: readonly string[]
  /** What graft.json says of it. */
  readonly record: ModelFolderContents['record']
  /**
   * Of a photo (its path or bytes) or a text (itself, or with a second one): the most probable classes; all labels with the
   * probability of each; the number; or the words and entities found.
   *
   * @throws GraftError naming a photo that cannot be read; UsageError for a sample of the wrong kind
   */
  predict(sample: Photo | Text, options?: PredictOptions): Promise<Prediction[]>
  predict(samples: readonly (Photo | Text)[], options?: PredictOptions): Promise<Prediction[][]>
  /** @throws UsageError where the data has labels that the model does not know */
  evaluate(data: LabelledData, options?: EvaluateOptions): Promise<ModelEvaluation>
  /**
   * Predicts batch after batch while the model adapts to what comes, without labels; this model itself stays as it is. A guard
   * watches it and gives the saved model's predictions where it does not trust the adapted ones, and a method that goes wrong begins
   * anew. The same batches with the same seed give the same predictions, unless time is limited. Several streams may run at once.
   *
   * @throws UsageError where the model does not give one class a sample, or for a sample of the wrong kind; GraftError where the method
   * cannot be had for its network, saying why
   */
  adapt(stream: SampleStream, options?: AdaptStreamOptions): AdaptedStream
  /** Writes the folder. @throws GraftError where it cannot; what was there is intact */
  save(folder: string): Promise<void>
  /** Ends the worker that computes. Not needed for a program to end; a later prediction starts another. */
  close(): Promise<void>
}

export interface ModelOptions {
  readonly threads?: number | undefined
  /** Samples that go through the network together. @default 16 */
  readonly batch?: number | undefined
}

/** The classes by their probability. */
export function ranked(probabilities: Float32Array, labels: readonly string[], top = labels.length): Prediction[] {
  if (!(top >= 1)) throw new UsageError(`option "top" is ${top}; expected a whole number of at least 1.`)
  return Array.from(probabilities, (score, i) => ({ label: labels[i]!, score }))
    .sort((a, b) => b.score - a.score)
    .slice(0, top)
}

/** The part that is to be measured. @throws UsageError where the data has no such part */
export function splitToMeasure(
  splits: readonly (string | undefined)[],
  wanted: EvaluateOptions['split'],
  name: string,
  many: string,
): NonNullable<EvaluateOptions['split']> {
  const has = (split: string) => splits.includes(split)
  const split = wanted ?? (has('test') ? 'test' : 'all')
  if (split === 'all' || has(split)) return split
  const parts = [...new Set(splits.map((part) => part ?? 'no split'))].join(', ')
  throw new UsageError(`${name} has no ${split} ${many}; it has: ${parts}.`, {
    remedy: `Leave the split out to measure on all ${many}, or give data with a test part.`,
  })
}
