/** One run from the data to the model folder and its report: what it opens it closes, also where it is aborted or fails. */
import { cpuCount, paths } from '#platform'
import { GraftError, messageOf, UsageError } from '../../base/errors.js'
import { Random } from '../../base/random.js'
import { VERSION } from '../../base/version.js'
import { openFeatureCache } from '../../data/featureCache.js'
import type { Evaluation } from '../../evaluate/evaluation.js'
import type { ReportData } from '../../evaluate/report/data.js'
import { checkModelFolder, isModelFolder, type ModelFolderContents, saveModelFolder } from '../../models/modelFolder.js'
import { openEngine } from '../../runtime/engine.js'
import { DivergedError } from '../../techniques/fineTuning/trainer.js'
import { AbortedError } from '../../techniques/run/aborted.js'
import {
  type Json,
  memoryRunDirectory,
  openRunDirectory,
  type RunDirectory,
  readUnfinished,
} from '../../techniques/run/directory.js'
import type { RunContext } from '../../techniques/run/run.js'
import { buildModel } from './build.js'
import type { Modality, PreparedData, Trunk } from './modality.js'
import { folderContents, writeReport } from './output.js'
import { startStopwatch } from './stopwatch.js'
import type { TrainOptions } from './trainOptions.js'

/** What a run leaves behind. */
export interface TrainingResult {
  readonly contents: ModelFolderContents
  readonly threads: number
  /** Everything that the report shows. */
  readonly report: ReportData
  /** The figures on samples that took no part; undefined where there were none. */
  readonly evaluation: (Evaluation & { readonly split: string }) | undefined
  /** Where the model and the report lie; undefined where no folder was named. */
  readonly out: string | undefined
  readonly reportPath: string | undefined
}

/** @param resumed goes on with the run in the folder */
export async function performRun<T extends Trunk, D extends PreparedData>(
  context: RunContext,
  modality: Modality<T, D>,
  options: TrainOptions,
  resumed: boolean,
): Promise<TrainingResult> {
  const watch = startStopwatch()
  const directory = await openDirectory(options, modality.origin, resumed)
  try {
    const cache = openFeatureCache({ onNotice: (notice) => context.warn(notice) })
    try {
      const threads = await directory.decide('threads', () => options.threads ?? cpuCount())
      const engine = await openEngine({ threads, signal: context.signal })
      try {
        if (resumed) context.emit({ type: 'resumed', path: options.out ?? '', step: 0 })
        const random = new Random(options.seed, modality.stream)
        const base = { options, context, directory, engine, random, cache, watch }
        const { work, finished } = await buildModel(base, modality)
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
          contents,
          threads,
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
  for (const name of ['checkpoint', 'setfit']) {
    const found = await directory.readCheckpoint(name).catch(() => undefined)
    if (found !== undefined) return true
  }
  return false
}

async function openDirectory(
  options: TrainOptions,
  origin: string | undefined,
  resumed: boolean,
): Promise<RunDirectory> {
  const { out } = options
  if (out === undefined) return memoryRunDirectory()
  if (!resumed) {
    await checkModelFolder(out)
    if (!options.overwrite) await refuseExisting(out)
  }
  // Paths are kept whole, so that the run can be resumed from another folder.
  const source = origin === undefined ? 'list' : paths.resolve(origin)
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

function summaryOf(evaluation: TrainingResult['evaluation'], options: TrainOptions): Record<string, unknown> {
  return {
    ...(options.out === undefined ? {} : { out: options.out }),
    ...(evaluation && {
      split: evaluation.split,
      n: evaluation.n,
      ...figuresOf(evaluation),
    }),
  }
}

/** The figures of a run in a line. */
function figuresOf(evaluation: Evaluation): Record<string, unknown> {
  switch (evaluation.kind) {
    case 'classes':
    case 'labels': {
      const { accuracy, accuracyInterval, macroF1 } = evaluation
      const several = evaluation.kind === 'labels' ? { microF1: evaluation.microF1 } : {}
      return { accuracy, accuracyInterval, macroF1, ...several }
    }
    case 'number': {
      const { r2, r2Interval, mae, rmse } = evaluation
      return { r2, r2Interval, mae, rmse }
    }
    case 'words': {
      const { accuracy, accuracyInterval, entities } = evaluation
      return {
        accuracy,
        accuracyInterval,
        ...(entities && { entityF1: entities.f1, entityF1Interval: entities.f1Interval }),
      }
    }
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
