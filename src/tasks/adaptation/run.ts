/**
 * One adaptation from the domains to the model folder and its report: features -> candidates -> the choice without labels -> the
 * saved model. What it opens it closes, also where it is aborted or fails; finished candidates are kept for a run that goes on.
 */
import { stackedRows, takeRows } from '../../base/matrix.js'
import { VERSION } from '../../base/version.js'
import type { ReportData } from '../../evaluate/report/data.js'
import type { ModelFolderContents } from '../../models/modelFolder.js'
import { settleBackbone } from '../../models/place.js'
import { checkEqual } from '../../techniques/fineTuning/checkEqual.js'
import type { RunContext } from '../../techniques/run/run.js'
import { fetching } from '../training/fetching.js'
import { type FrameSettings, inFrame } from '../training/frame.js'
import type { PreparedData, Trunk } from '../training/modality.js'
import { repeatCommand, versions } from '../training/reportParts.js'
import { adaptedModel, networkLogits } from './assemble.js'
import { type AdaptationData, type Base, keyOf, recordedPlaces, repeated, type SettledOptions } from './base.js'
import { choose } from './choosing.js'
import { type Domains, openDomains } from './domains.js'
import { featuresOf } from './extract.js'
import type { DomainKind } from './kinds.js'
import { FIRST_CANDIDATE, type Made, makeCandidates } from './make.js'
import { methodsFor } from './methods.js'
import { oneClassWarnings } from './oneClass.js'
import type { AdaptOptions } from './options.js'
import { folderContents, saveRun, techniqueOf } from './output.js'
import { plannedHeadsOf, plannedProbes } from './planHeads.js'
import { plannedNetworks } from './planNetworks.js'
import { adaptationReport, reasonsOf } from './reportData.js'
import { statisticsFile } from './statistics.js'
import type { HeadTraining } from './trainedHead.js'
import { fewLabels, READING, scored } from './truth.js'
import { bothViews } from './views.js'

/** What an adaptation leaves behind. */
export interface AdaptationResult {
  readonly contents: ModelFolderContents
  readonly threads: number
  /** Everything that the report shows. */
  readonly report: ReportData
  readonly out: string | undefined
  readonly reportPath: string | undefined
}

/** @param resumed goes on with the run in the folder */
export async function performAdaptation<T extends Trunk, D extends PreparedData>(
  context: RunContext,
  kind: DomainKind<T, D>,
  data: AdaptationData,
  asked: AdaptOptions,
  resumed: boolean,
): Promise<AdaptationResult> {
  const options = { ...asked, backbone: asked.backbone ?? kind.modality(data.target).defaults.backbone }
  const settings: FrameSettings = {
    options,
    recorded: { ...options, ...recordedPlaces(data), verb: 'adapt' },
    stream: 'adaptation',
    checkpoints: [FIRST_CANDIDATE],
    resumed,
  }
  return inFrame(context, settings, async (frame) => {
    const { directory, engine, watch } = frame
    const { contents, report } = await adaptModel({ ...frame, options }, kind, data)
    const reportPath = await saveRun(context, options, contents, report)
    await directory.finish()
    context.emit({ type: 'done', seconds: watch.seconds(), summary: summaryOf(report, options) })
    return { contents, threads: engine.threads, report, out: options.out, reportPath }
  })
}

async function adaptModel<T extends Trunk, D extends PreparedData>(
  base: Base,
  kind: DomainKind<T, D>,
  data: AdaptationData,
): Promise<{ contents: ModelFolderContents; report: ReportData }> {
  const { options, context, watch, engine, random, directory } = base
  const modality = kind.modality(data.target)
  // The cheap part first: a mistake in a name is told before thousands of samples are read.
  const methods = methodsFor(options)
  context.phase('backbone', `Opening the backbone ${options.backbone}`)
  const backbone = await directory.decide('backbone name', () =>
    settleBackbone(options.backbone, fetching(context, modality.kind)),
  )
  const opened = await modality.openTrunk(backbone, options)
  const reading = { ...options, ...READING }
  const domains = await watch.time(`Reading ${modality.nouns.many}`, () =>
    openDomains(kind, opened, data, reading, random, context),
  )
  for (const note of domains.trunk.backbone.notes) context.decide('backbone', domains.trunk.backbone.name, note)

  context.phase('features', `Running the backbone once a ${modality.nouns.one}`)
  const features = await watch.time('Features', () => featuresOf(base, domains))
  context.phase('fine-tuning', 'Making candidates')
  const few =
    options.targetLabels !== undefined && options.labelUse === 'train'
      ? await fewLabels(kind, domains, options.targetLabels, reading, context.signal)
      : undefined
  const { hidden, epochs, batch, lr } = options
  const training: HeadTraining = {
    engine,
    random: random.fork('candidates'),
    signal: context.signal,
    classes: domains.classes.length,
    classNames: domains.classes,
    features,
    targetLabels: few?.labels,
    settings: { hidden, epochs, batch, lr },
    context,
  }
  const key = keyOf(base, domains, few?.labels)
  const planned =
    options.train === 'features'
      ? plannedHeadsOf(methods, training)
      : [
          ...plannedProbes(training),
          ...plannedNetworks(methods, {
            ...base,
            domains,
            random: random.fork('networks'),
            key,
            targetLabels: few?.labels,
          }),
        ]
  const made = await watch.time('Candidates', () => makeCandidates(planned, key, directory, context))
  context.phase('evaluation', 'Choosing without labels')
  const verdict = await watch.time('Choice', async () =>
    choose({
      candidates: made.candidates,
      heldOutLabels: features.heldOutLabels,
      trainLabels: features.trainLabels,
      inputs: {
        heldOut: stackedRows(features.sources.map(({ heldOut }) => heldOut)),
        train: stackedRows(features.sources.map((source) => source.train)),
        target: features.target,
      },
      random: random.fork('choice'),
    }),
  )
  const chosen = made.candidates[verdict.chosen]!
  context.decide('kept', chosen.title, reasonsOf(made.candidates, verdict).join(' '))

  const model = await watch.time('Assembling', () => assembled(base, domains, made, verdict.chosen))
  const scores = await scored(base, kind, data.target, domains, made, verdict)
  const warnings = oneClassWarnings(domains, made.candidates[verdict.baseline]!, scores?.shares)
  for (const warning of warnings) context.warn(warning)
  if (scores)
    context.emit({
      type: 'metric',
      name: 'accuracy',
      on: 'the target',
      ...scores.accuracies[verdict.chosen]!,
      n: scores.n,
    })
  const runFile = {
    ...repeated(options),
    ...recordedPlaces(data),
    verb: 'adapt',
    version: VERSION,
    threads: engine.threads,
  }
  const report = await watch.time('Report', async () =>
    adaptationReport({
      domains,
      made,
      verdict,
      scores,
      warnings,
      ...(options.report
        ? bothViews(base, domains, features, made, verdict.chosen)
        : { maps: [], distance: undefined }),
      reproduction: {
        command: repeatCommand('adapt', options.out),
        file: runFile,
        versions: versions(),
      },
      threads: engine.threads,
      watch,
      random: random.fork('report'),
    }),
  )
  const statistics = await watch.time('Statistics', async () =>
    statisticsFile(base, model, {
      trunk: domains.trunk,
      classes: domains.classes,
      of: 'of the target',
      features: features.target,
      logits: chosen.target.logits,
    }),
  )
  const { trunk, target } = domains
  const parts = domains.modality.folder(trunk, target.data)
  const finished = {
    model: domains.modality.finish?.(trunk, model) ?? model,
    parts,
    technique: techniqueOf(chosen),
    about: {
      adaptation: {
        target: target.data.origin ?? 'list',
        fingerprint: target.data.fingerprint,
        [modality.nouns.many]: target.data.length,
        method: chosen.name,
        setting: options.setting,
      },
    },
    report,
    runFile,
    statistics,
    threads: engine.threads,
  }
  return { contents: folderContents(domains, options, finished), report }
}

/** Samples on which the saved model is compared with the candidate. */
const CHECKED = 8

async function assembled({ engine, random, context }: Base, domains: Domains, made: Made, at: number) {
  const { target, trunk } = domains
  const chosen = made.candidates[at]!
  const model = adaptedModel(trunk, chosen.kept, made.candidates)
  const some = Int32Array.from({ length: Math.min(CHECKED, target.data.length) }, (_, i) => i)
  checkEqual(
    await networkLogits(engine, model, target, some, random, context.signal),
    takeRows(chosen.target.logits, some),
  )
  return model
}

function summaryOf({ adaptation }: ReportData, { out }: SettledOptions): Record<string, unknown> {
  if (adaptation === undefined) return {}
  const { chosen, unchanged, candidates, changed, truth } = adaptation
  return {
    ...(out === undefined ? {} : { out }),
    kept: candidates.find(({ kept }) => kept)?.name,
    title: chosen,
    unchanged,
    changed: changed.count / Math.max(1, changed.n),
    ...(truth && { accuracy: truth.after, sourceOnly: truth.before, difference: truth.difference, n: truth.n }),
  }
}
