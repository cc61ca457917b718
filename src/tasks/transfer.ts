/**
 * The verb `transfer`: from labelled samples to a model. One run from the data to the report, that can be awaited, listened
 * to, aborted, and resumed after a crash.
 */
import type { z } from 'zod'
import { exists } from '#platform'
import { GraftError, UsageError } from '../base/errors.js'
import type { TextDataset } from '../data/text/types.js'
import type { ImageDataset } from '../data/types.js'
import type { ClassEvaluation, Evaluation } from '../evaluate/evaluation.js'
import type { ReportData } from '../evaluate/report/data.js'
import { isModelFolder } from '../models/modelFolder.js'
import { readUnfinished } from '../techniques/run/directory.js'
import { type Run, type RunContext, startRun } from '../techniques/run/run.js'
import { imageModality } from './images/modality.js'
import type { ImageModel } from './images/model.js'
import { kindOf } from './kind.js'
import { type Model, modelOf } from './loadModel.js'
import { parseOptions } from './schema.js'
import { textModality } from './texts/modality.js'
import type { TextModel } from './texts/model.js'
import type { Modality, PreparedData, Trunk } from './training/modality.js'
import { performRun, type TrainingResult } from './training/run.js'
import { flatten, type Technique } from './training/techniques.js'
import { settled, type TrainInput, trainSchema } from './training/trainOptions.js'

export interface TransferOptions<D extends Source = Source> extends Omit<TrainInput, 'data' | 'technique'> {
  /** Samples opened by `images()` or `texts()`, or what these would be given: a folder or a file. */
  readonly data: D
  /** A name for its defaults, or a value of `featureExtraction()` or `fineTuning()`. @default 'auto' */
  readonly technique?: TrainInput['technique'] | Technique
  /** Stops the run at the next safe point. */
  readonly signal?: AbortSignal
}

/** What a run is given: photos, texts, or where they lie. */
export type Source = ImageDataset | TextDataset | string

/** @typeParam D what the run was given, which tells what kind of model it makes */
export interface TransferResult<D extends Source = Source> {
  readonly model: D extends ImageDataset ? ImageModel : D extends TextDataset ? TextModel : Model
  /** Everything that the report shows. */
  readonly report: ReportData
  /** The figures on samples that took no part; undefined where there were none. */
  readonly evaluation:
    | ((D extends ImageDataset ? ClassEvaluation : Evaluation) & { readonly split: string })
    | undefined
  /** Where the model and the report lie; undefined where no folder was named. */
  readonly out: string | undefined
  readonly reportPath: string | undefined
}

/**
 * Trains a model of photos or texts from a pretrained backbone.
 *
 * @throws UsageError (when awaited or iterated) for options that are wrong, GraftError for data or a backbone that cannot be used
 */
export function transfer<D extends Source>(options: TransferOptions<D>): Run<TransferResult<D>> {
  const { signal } = options
  return startRun(
    async (context) => {
      const { data, technique, signal: _signal, ...rest } = options
      const source = typeof data === 'string' ? data : (data.origin ?? 'list')
      const parsed = parseOptions(trainSchema, flatten(technique, { ...rest, data: source }))
      return perform<D>(context, data, parsed, false)
    },
    { signal },
  )
}

export interface ResumeOptions {
  /** The samples, where the run was given a list in memory. */
  readonly data?: ImageDataset | TextDataset
  readonly signal?: AbortSignal
}

/**
 * Goes on with a run that was interrupted, from its last checkpoint. It ends in the same weights as if nothing had happened.
 *
 * @param out the folder that the run writes to
 * @throws GraftError where there is no unfinished run, or the data has changed since
 */
export function resume(out: string, options: ResumeOptions = {}): Run<TransferResult> {
  return startRun(
    async (context) => {
      const recorded = await readUnfinished(out)
      if (recorded === undefined) throw await nothingToResume(out)
      if (typeof recorded.verb === 'string' && recorded.verb !== 'train')
        throw new UsageError(`${out}: holds a run of \`graft ${recorded.verb}\`, not of \`graft train\`.`, {
          remedy: 'Go on with it by `graft resume`, or by the function of that verb.',
        })
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

async function perform<D extends Source>(
  context: RunContext,
  data: Source,
  options: z.output<typeof trainSchema>,
  resumed: boolean,
): Promise<TransferResult<D>> {
  const kind = await kindOf(data, options.task, context)
  const { contents, threads, ...found } =
    kind === 'images'
      ? await run(imageModality(data as ImageDataset | string), context, options, resumed)
      : await run(textModality(data as TextDataset | string), context, options, resumed)
  // What the data is decides what the model and its figures are, which the compiler cannot follow.
  return { model: modelOf(contents, { threads }), ...found } as TransferResult<D>
}

function run<T extends Trunk, P extends PreparedData>(
  modality: Modality<T, P>,
  context: RunContext,
  options: z.output<typeof trainSchema>,
  resumed: boolean,
): Promise<TrainingResult> {
  return performRun(context, modality, settled(options, modality.defaults), resumed)
}
