/** Everything of the folder of an adapted model. */
import { paths, runtimeVersions } from '#platform'
import { VERSION } from '../../base/version.js'
import { modelCard } from '../../evaluate/modelCard.js'
import type { ReportData } from '../../evaluate/report/data.js'
import type { Model } from '../../graph/graph.js'
import type { FolderParts, ModelFolderContents } from '../../models/modelFolder.js'
import { recordedBackbone } from '../training/recordedBackbone.js'
import type { AdaptationCandidate } from './candidate.js'
import type { Domains } from './domains.js'
import type { AdaptOptions } from './options.js'

export interface Finished {
  readonly model: Model
  readonly parts: FolderParts
  readonly chosen: AdaptationCandidate
  readonly report: ReportData
  readonly runFile: Readonly<Record<string, unknown>>
  /** As a file; empty where there is none. */
  readonly statistics: Readonly<Record<string, Uint8Array>>
  readonly threads: number
}

export function folderContents(domains: Domains, options: AdaptOptions, finished: Finished): ModelFolderContents {
  const { trunk, sources, target, classes, modality } = domains
  const { backbone } = trunk
  const { model, parts, chosen, report, runFile, statistics, threads } = finished
  const { evaluation } = report
  const readme = modelCard({
    name: options.out === undefined ? report.title : paths.base(paths.resolve(options.out)),
    report,
    license: backbone.licence?.name ?? 'other',
    backbone: { name: backbone.name },
    technique: techniqueOf(chosen),
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
      technique: techniqueOf(chosen),
      data: {
        fingerprint:
          sources.length === 1 ? sources[0]!.data.fingerprint : sources.map(({ data }) => data.fingerprint).join(' '),
        source: sources.map(({ data }) => data.origin ?? 'list').join(', '),
        [modality.nouns.many]: sources.reduce((sum, { data }) => sum + data.length, 0),
      },
      adaptation: {
        target: target.data.origin ?? 'list',
        fingerprint: target.data.fingerprint,
        [modality.nouns.many]: target.data.length,
        method: chosen.name,
        setting: options.setting,
      },
      split: {
        train: sources.reduce((sum, { train }) => sum + train.length, 0),
        validation: sources.reduce((sum, { heldOut }) => sum + heldOut.length, 0),
        seed: options.seed,
      },
      seed: options.seed,
      threads,
      metrics: evaluation === undefined ? {} : { ...evaluation },
      temperature: 1,
      versions: { 'graft-ml': VERSION, ...runtimeVersions() },
    },
    extra: { 'run.json': `${JSON.stringify(runFile, null, 2)}\n`, ...statistics },
  }
}

export function techniqueOf({ title, name }: AdaptationCandidate): string {
  return name === 'source-only'
    ? 'Training on the source alone (nothing adapted was credibly better)'
    : `Domain adaptation: ${title}`
}
