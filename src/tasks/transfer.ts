/**
 * The verb `transfer`: from labelled photos to a model. One run from the data to the report, that can be awaited, listened
 * to, aborted, and resumed after a crash.
 */
import { cpuCount, exists, paths } from '#platform'
import { GraftError, messageOf, UsageError } from '../base/errors.js'
import { Random } from '../base/random.js'
import { VERSION } from '../base/version.js'
import { openFeatureCache } from '../data/featureCache.js'
import type { ImageDataset } from '../data/types.js'
import type { Evaluation } from '../evaluate/evaluation.js'
import type { ReportData } from '../evaluate/report/data.js'
import { checkModelFolder, isModelFolder, saveModelFolder } from '../models/modelFolder.js'
import { openEngine } from '../runtime/engine.js'
import { DivergedError } from '../techniques/fineTuning/trainer.js'
import { AbortedError } from '../techniques/run/aborted.js'
import {
  type Json,
  memoryRunDirectory,
  openRunDirectory,
  type RunDirectory,
  readUnfinished,
} from '../techniques/run/directory.js'
import { type Run, type RunContext, startRun } from '../techniques/run/run.js'
import { type ImageModel, imageModel } from './images/model.js'
import { parseOptions } from './schema.js'
import { buildModel } from './training/build.js'
import { folderContents, writeReport } from './training/output.js'
import { startStopwatch } from './training/stopwatch.js'
import { flatten, type Technique } from './training/techniques.js'
import { type TrainInput, type TrainOptions, trainSchema } from './training/trainOptions.js'

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
  options: TrainOptions,
  resumed: boolean,
): Promise<TransferResult> {
  const watch = startStopwatch()
  const directory = await openDirectory(options, data, resumed)
  try {
    const cache = openFeatureCache({ onNotice: (notice) => context.warn(notice) })
    try {
      const threads = await directory.decide('threads', () => options.threads ?? cpuCount())
      const engine = await openEngine({ threads, signal: context.signal })
      try {
        if (resumed) context.emit({ type: 'resumed', path: options.out ?? '', step: 0 })
        const random = new Random(options.seed, 'image classification')
        const base = { options, context, directory, engine, random, cache, watch }
        const { work, finished } = await buildModel(base, data)
        const contents = folderContents(work, finished)
        let reportPath: string | undefined
        if (options.out !== undefined) {
          context.phase('save', `Saving to ${options.out}`)
          await saveModelFolder(options.out, contents)
          context.emit({ type: 'saved', what: 'model', path: options.out })
          if (options.report) {
            reportPath = await writeReport(options.out, finished.report)
            context.emit({ type: 'saved', what: 'report', path: reportPath })
          }
        }
        await directory.finish()
        const { judged, report } = finished
        const evaluation = judged && { ...judged.evaluation, split: judged.split }
        context.emit({ type: 'done', seconds: watch.seconds(), summary: summaryOf(evaluation, options) })
        return {
          model: imageModel(contents, { threads }),
          report,
          evaluation,
          out: options.out,
          reportPath,
        }
      } finally {
        await engine.close()
      }
    } finally {
      await cache.close()
    }
  } catch (error) {
    const cause = asAborted(error, context.signal, options.out)
    const hopeless =
      cause instanceof DivergedError || !(cause instanceof AbortedError || (await hasCheckpoint(directory)))
    // What went wrong is worth more than that the clearing up went wrong too.
    if (hopeless) await directory.discard().catch(() => undefined)
    throw cause
  } finally {
    watch.stop()
    await directory.close()
  }
}

/** Without one there is nothing that a later run could not do from its start. */
async function hasCheckpoint(directory: RunDirectory): Promise<boolean> {
  return directory.readCheckpoint('checkpoint').then(
    (found) => found !== undefined,
    () => false,
  )
}

async function openDirectory(
  options: TrainOptions,
  data: ImageDataset | string,
  resumed: boolean,
): Promise<RunDirectory> {
  const { out } = options
  if (out === undefined) return memoryRunDirectory()
  if (!resumed) {
    await checkModelFolder(out)
    if (!options.overwrite) await refuseExisting(out)
  }
  // Paths are kept whole, so that the run can be resumed from another folder.
  const source =
    typeof data === 'string' ? paths.resolve(data) : data.origin === undefined ? 'list' : paths.resolve(data.origin)
  const recorded = { ...options, data: source, out: paths.resolve(out) }
  return openRunDirectory(out, {
    options: JSON.parse(JSON.stringify(recorded)) as Record<string, Json>,
    version: VERSION,
    resume: resumed,
  })
}

async function refuseExisting(out: string): Promise<void> {
  if ((await readUnfinished(out)) !== undefined)
    throw new UsageError(`${out} holds a run that was interrupted.`, {
      remedy: 'Go on with it by `graft resume`, or start again with --overwrite.',
    })
  if (await isModelFolder(out))
    throw new UsageError(`${out} holds a model already.`, {
      remedy: 'Choose another folder with --out, or replace it with --overwrite.',
    })
}

function summaryOf(evaluation: TransferResult['evaluation'], options: TrainOptions): Record<string, unknown> {
  return {
    ...(options.out === undefined ? {} : { out: options.out }),
    ...(evaluation && {
      split: evaluation.split,
      n: evaluation.n,
      accuracy: evaluation.accuracy,
      accuracyInterval: evaluation.accuracyInterval,
      macroF1: evaluation.macroF1,
    }),
  }
}

/** Whatever broke off because of the signal was stopped by the user, not by a fault. */
function asAborted(error: unknown, signal: AbortSignal, out: string | undefined): unknown {
  if (!signal.aborted || error instanceof GraftError) return error
  if (error instanceof AbortedError && error.resumeFrom !== undefined) return error
  const aborted =
    error === signal.reason || error instanceof AbortedError || (error instanceof Error && error.name === 'AbortError')
  if (!aborted) return error
  const options = out === undefined ? {} : { resumeFrom: out }
  return new AbortedError(error instanceof AbortedError ? messageOf(error) : 'The run was stopped.', {
    ...options,
    cause: error,
  })
}
