/** One run from the data to the model folder and its report. */
import { paths } from '#platform'
import type { Evaluation } from '../../evaluate/evaluation.js'
import type { ReportData } from '../../evaluate/report/data.js'
import { type ModelFolderContents, saveModelFolder } from '../../models/modelFolder.js'
import type { RunContext } from '../../techniques/run/run.js'
import { buildModel } from './build.js'
import { inFrame } from './frame.js'
import type { Modality, PreparedData, Trunk } from './modality.js'
import { folderContents, writeReport } from './output.js'
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
  const { stream, origin } = modality
  // Paths are kept whole, so that the run can be resumed from another folder.
  const recorded = { ...options, data: origin === undefined ? 'list' : paths.resolve(origin) }
  const checkpoints = ['checkpoint', 'setfit']
  return inFrame(context, { options, recorded, stream, checkpoints, resumed }, async (frame) => {
    const { work, finished } = await buildModel({ ...frame, options }, modality)
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
    await frame.directory.finish()
    const { judged, report } = finished
    const evaluation = judged && { ...judged.evaluation, split: judged.split }
    context.emit({ type: 'done', seconds: frame.watch.seconds(), summary: summaryOf(evaluation, options) })
    return { contents, threads: frame.engine.threads, report, evaluation, out: options.out, reportPath }
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
