/** Writes what a run leaves behind: the model folder with its card and run file, then the report. */
import { paths, writeFileAtomic } from '#platform'
import { VERSION } from '../../base/version.js'
import { modelCard } from '../../evaluate/modelCard.js'
import type { ReportData } from '../../evaluate/report/data.js'
import { renderReport } from '../../evaluate/report.js'
import type { Model } from '../../graph/graph.js'
import type { FolderParts, ModelFolderContents } from '../../models/modelFolder.js'
import type { Choice } from './choose.js'
import type { Judged } from './judge.js'
import { type AdapterFiles, adapterFiles } from './methods/adapterFiles.js'
import { recordedBackbone } from './recordedBackbone.js'
import { versions } from './reportParts.js'
import type { RunFile } from './runFile.js'
import { trainedTensors } from './tuning.js'
import { outputNames, type Workspace } from './workspace.js'

export interface Finished {
  readonly model: Model
  readonly parts: FolderParts
  readonly choice: Choice
  readonly judged: Judged | undefined
  readonly report: ReportData
  readonly runFile: RunFile
  /** Of the features trained on, as a file; empty where there is none. */
  readonly statistics: Readonly<Record<string, Uint8Array>>
}

/** Everything of the model folder. */
export function folderContents(work: Workspace, finished: Finished): ModelFolderContents {
  const { data, trunk, split, options, engine, modality } = work
  const { backbone } = trunk
  const { choice, judged, report, parts } = finished
  const temperature = choice.chosen.kind === 'tuned' ? choice.chosen.temperature?.temperature : undefined
  const readme = modelCard({
    name: options.out === undefined ? report.title : paths.base(paths.resolve(options.out)),
    report,
    license: backbone.licence?.name ?? 'other',
    backbone: { name: backbone.name },
    technique: choice.title,
    imageSize: parts.inputSize,
    maxLength: parts.maxLength,
    task: parts.task,
    writtenBy: `graft-ml ${VERSION}`,
  })
  return {
    model: finished.model,
    ...parts,
    labels: outputNames(work),
    readme,
    licence: backbone.licence,
    record: {
      task: parts.task,
      ...(parts.target === undefined ? {} : { target: parts.target }),
      ...(parts.maxLength === undefined ? {} : { maxLength: parts.maxLength }),
      backbone: recordedBackbone(trunk),
      technique: choice.title,
      data: {
        fingerprint: data.fingerprint,
        source: data.origin ?? 'list',
        [modality.nouns.many]: data.length,
      },
      split: {
        train: split.train.length,
        validation: split.validation.length,
        test: split.test.length,
        seed: options.seed,
      },
      seed: options.seed,
      threads: engine.threads,
      ...(options.keepClasses && backbone.labels !== undefined
        ? { continued: { from: backbone.bytesSha256, labels: [...backbone.labels] } }
        : {}),
      metrics: judged ? { split: judged.split, ...judged.evaluation } : {},
      // Divided into the head already, so that every program that loads the model gives calibrated scores.
      temperature: 1,
      ...(temperature === undefined ? {} : { foldedTemperature: temperature }),
      versions: versions(),
    },
    extra: {
      'run.json': `${JSON.stringify(finished.runFile, null, 2)}\n`,
      ...finished.statistics,
      ...apart(work, finished),
    },
  }
}

/** The adapter's own files, where one was trained. */
function apart({ context, trunk }: Workspace, { choice: { chosen }, parts }: Finished): AdapterFiles['files'] {
  if (chosen.kind !== 'tuned' || chosen.adapter === undefined) return {}
  const trained = trainedTensors(chosen.outcome, chosen.temperature?.temperature ?? 1)
  const { files, form, reason } = adapterFiles(chosen.adapter, trained, {
    task: parts.task,
    backbone: trunk.backbone.source?.hub ?? trunk.backbone.name,
    encoder: trunk.backbone.head.kind === 'none',
  })
  context.decide('adapter files', form, reason)
  return files
}

/** The page's path. */
export async function writeReport(out: string, report: ReportData): Promise<string> {
  const path = paths.join(out, 'report.html')
  await writeFileAtomic(path, renderReport(report))
  return path
}
