/** One run from the data to the model folder and its report: what it opens it closes, also where it is aborted or fails. */
import { cpuCount, paths } from '#platform'
import { Random } from '../../base/random.js'
import { openFeatureCache } from '../../data/featureCache.js'
import type { Evaluation } from '../../evaluate/evaluation.js'
import type { ReportData } from '../../evaluate/report/data.js'
import { type ModelFolderContents, saveModelFolder } from '../../models/modelFolder.js'
import { openEngine } from '../../runtime/engine.js'
import { DivergedError } from '../../techniques/fineTuning/trainer.js'
import { AbortedError } from '../../techniques/run/aborted.js'
import type { RunDirectory } from '../../techniques/run/directory.js'
import type { RunContext } from '../../techniques/run/run.js'
import { buildModel } from './build.js'
import type { Modality, PreparedData, Trunk } from './modality.js'
import { folderContents, writeReport } from './output.js'
import { asAborted, openDirectory } from './outputFolder.js'
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
  // Paths are kept whole, so that the run can be resumed from another folder.
  const data = modality.origin === undefined ? 'list' : paths.resolve(modality.origin)
  const directory = await openDirectory(options, { ...options, data }, resumed)
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
