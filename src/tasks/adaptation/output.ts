/** Everything of the folder of an adapted model. */
import { paths } from '#platform'
import { VERSION } from '../../base/version.js'
import { modelCard } from '../../evaluate/modelCard.js'
import type { ReportData } from '../../evaluate/report/data.js'
import type { Model } from '../../graph/graph.js'
import { type FolderParts, type ModelFolderContents, saveModelFolder } from '../../models/modelFolder.js'
import type { RunContext } from '../../techniques/run/run.js'
import { writeReport } from '../training/output.js'
import { recordedBackbone } from '../training/recordedBackbone.js'
import { versions } from '../training/reportParts.js'
import type { AdaptationCandidate } from './candidate.js'
import type { Sources } from './sources.js'

export interface Finished {
  readonly model: Model
  readonly parts: FolderParts
  readonly technique: string
  /** What the model's record says besides the usual. */
  readonly about: Readonly<Record<string, unknown>>
  readonly report: ReportData
  readonly runFile: Readonly<Record<string, unknown>>
  /** As a file; empty where there is none. */
  readonly statistics: Readonly<Record<string, Uint8Array>>
  readonly threads: number
}

export function folderContents(
  { trunk, sources, classes, modality }: Sources,
  { out, seed }: { readonly out?: string | undefined; readonly seed: number },
  finished: Finished,
): ModelFolderContents {
  const { backbone } = trunk
  const { model, parts, technique, about, report, runFile, statistics, threads } = finished
  const { evaluation } = report
  const readme = modelCard({
    name: out === undefined ? report.title : paths.base(paths.resolve(out)),
    report,
    license: backbone.licence?.name ?? 'other',
    backbone: { name: backbone.name },
    technique,
    imageSize: parts.inputSize,
    maxLength: parts.maxLength,
    task: parts.task,
    writtenBy: `graft-ml ${VERSION}`,
  })
  return {
    model,
    ...parts,
    labels: classes,
    readme,
    licence: backbone.licence,
    record: {
      task: parts.task,
      ...(parts.target === undefined ? {} : { target: parts.target }),
      ...(parts.maxLength === undefined ? {} : { maxLength: parts.maxLength }),
      backbone: recordedBackbone(trunk),
      technique,
      data: {
        fingerprint:
          sources.length === 1 ? sources[0]!.data.fingerprint : sources.map(({ data }) => data.fingerprint).join(' '),
        source: sources.map(({ data }) => data.origin ?? 'list').join(', '),
        [modality.nouns.many]: sources.reduce((sum, { data }) => sum + data.length, 0),
      },
      ...about,
      split: {
        train: sources.reduce((sum, { train }) => sum + train.length, 0),
        validation: sources.reduce((sum, { heldOut }) => sum + heldOut.length, 0),
        seed,
      },
      seed,
      threads,
      metrics: evaluation === undefined ? {} : { ...evaluation },
      temperature: 1,
      versions: versions(),
    },
    extra: { 'run.json': `${JSON.stringify(runFile, null, 2)}\n`, ...statistics },
  }
}

/** Writes the folder and the report, where one is asked for. */
export async function saveRun(
  context: RunContext,
  { out, report: wanted }: { readonly out?: string | undefined; readonly report: boolean },
  contents: ModelFolderContents,
  report: ReportData,
): Promise<string | undefined> {
  if (out === undefined) return undefined
  context.phase('save', `Saving to ${out}`)
  await saveModelFolder(out, contents)
  context.emit({ type: 'saved', what: 'model', path: out })
  if (!wanted) return undefined
  const path = await writeReport(out, report)
  context.emit({ type: 'saved', what: 'report', path })
  return path
}

export function techniqueOf({ title, name }: AdaptationCandidate): string {
  return name === 'source-only'
    ? 'Training on the source alone (nothing adapted was credibly better)'
    : `Domain adaptation: ${title}`
}
