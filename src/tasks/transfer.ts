/**
 * The verb `transfer`: from labelled samples to a model. One run from the data to the report, that can be awaited, listened
 * to, aborted, and resumed after a crash.
 */
import type { z } from 'zod'
import { exists } from '#platform'
import { GraftError } from '../base/errors.js'
import type { ImageDataset } from '../data/types.js'
import type { Evaluation } from '../evaluate/evaluation.js'
import type { ReportData } from '../evaluate/report/data.js'
import { isModelFolder } from '../models/modelFolder.js'
import { readUnfinished } from '../techniques/run/directory.js'
import { type Run, type RunContext, startRun } from '../techniques/run/run.js'
import { imageModality } from './images/modality.js'
import { type ImageModel, imageModel } from './images/model.js'
import { parseOptions } from './schema.js'
import { performRun } from './training/run.js'
import { flatten, type Technique } from './training/techniques.js'
import { settled, type TrainInput, trainSchema } from './training/trainOptions.js'

export interface TransferOptions extends Omit<TrainInput, 'data' | 'technique'> {
  /** Photos opened by `images()`, or what `images()` would be given: a folder or a CSV. */
  readonly data: ImageDataset | string
  /** A name for its defaults, or a value of `featureExtraction()` or `fineTuning()`. @default 'auto' */
  readonly technique?: TrainInput['technique'] | Technique
  /** Stops the run at the next safe point. */
  readonly signal?: AbortSignal
}

export interface TransferResult {
  readonly model: ImageModel
  /** Everything that the report shows. */
  readonly report: ReportData
  /** The figures on photos that took no part; undefined where there were none. */
  readonly evaluation: (Evaluation & { readonly split: string }) | undefined
  /** Where the model and the report lie; undefined where no folder was named. */
  readonly out: string | undefined
  readonly reportPath: string | undefined
}

/**
 * Trains a classifier of photos from a pretrained backbone.
 *
 * @throws UsageError (when awaited or iterated) for options that are wrong, GraftError for data or a backbone that cannot be used
 */
export function transfer(options: TransferOptions): Run<TransferResult> {
  const { signal } = options
  return startRun(
    async (context) => {
      const { data, technique, signal: _signal, ...rest } = options
      const source = typeof data === 'string' ? data : (data.origin ?? 'list')
      const parsed = parseOptions(trainSchema, flatten(technique, { ...rest, data: source }))
      return perform(context, data, parsed, false)
    },
    { signal },
  )
}

export interface ResumeOptions {
  /** The photos, where the run was given a list in memory. */
  readonly data?: ImageDataset
  readonly signal?: AbortSignal
}

/**
 * Goes on with a run that was interrupted, from its last checkpoint. It ends in the same weights as if nothing had happened.
 *
 * @param out the folder that the run writes to
 * @throws GraftError where there is no unfinished run, or the photos have changed since
 */
export function resume(out: string, options: ResumeOptions = {}): Run<TransferResult> {
  return startRun(
    async (context) => {
      const recorded = await readUnfinished(out)
      if (recorded === undefined) throw await nothingToResume(out)
      const parsed = parseOptions(trainSchema, { ...recorded, out })
      return perform(context, options.data ?? parsed.data, parsed, true)
    },
    { signal: options.signal },
  )
}

async function nothingToResume(out: string): Promise<GraftError> {
  if (!(await exists(out)))
    return new GraftError(`${out}: no such folder.`, {
      remedy: 'Give the folder that was given to `graft train --out`.',
    })
  return new GraftError(`${out}: there is no unfinished run here.`, {
    remedy: (await isModelFolder(out))
      ? 'The run that made this model is complete; `graft predict` uses it.'
      : 'Give the folder that was given to `graft train --out`.',
  })
}

async function perform(
  context: RunContext,
  data: ImageDataset | string,
  options: z.output<typeof trainSchema>,
  resumed: boolean,
): Promise<TransferResult> {
  const modality = imageModality(data)
  const { contents, threads, ...found } = await performRun(
    context,
    modality,
    settled(options, modality.defaults),
    resumed,
  )
  return { model: imageModel(contents, { threads }), ...found }
}
