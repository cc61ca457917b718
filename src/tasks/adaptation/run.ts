/**
 * One adaptation from the domains to the model folder and its report: features -> candidates -> the choice without labels -> the
 * saved model. What it opens it closes, also where it is aborted or fails; finished candidates are kept for a run that goes on.
 */
import { paths, runtimeVersions } from '#platform'
import { GraftError } from '../../base/errors.js'
import { argmaxRows, type Matrix, takeRows } from '../../base/matrix.js'
import { VERSION } from '../../base/version.js'
import type { SampleLabels } from '../../data/unlabelled.js'
import type { ReportData } from '../../evaluate/report/data.js'
import { featureStatistics, proxyADistance } from '../../evaluate/shift/index.js'
import type { Model } from '../../graph/graph.js'
import { type ModelFolderContents, STATISTICS_FILE, saveModelFolder } from '../../models/modelFolder.js'
import { settleBackbone } from '../../models/place.js'
import { openSetAnswers } from '../../techniques/domainAdaptation/settings/openSet.js'
import { checkEqual } from '../../techniques/fineTuning/checkEqual.js'
import type { RunContext } from '../../techniques/run/run.js'
import { LEAST_SAMPLES } from '../statistics/collect.js'
import { encodeFile, hasValue } from '../statistics/file.js'
import { fetching } from '../training/fetching.js'
import { type FrameSettings, inFrame, type RunFrame } from '../training/frame.js'
import type { PreparedData, Trunk } from '../training/modality.js'
import { writeReport } from '../training/output.js'
import { adaptedModel, networkLogits } from './assemble.js'
import type { AdaptationCandidate } from './candidate.js'
import { choose } from './choosing.js'
import { type MatchedLabels, matchLabels } from './classes.js'
import { type Domains, openDomains } from './domains.js'
import { domainFeatures, stacked } from './extract.js'
import { type DataSource, type DomainKind, nameOf } from './kinds.js'
import { FIRST_CANDIDATE, type Made, makeCandidates } from './make.js'
import { domainMaps } from './maps.js'
import { methodsFor } from './methods.js'
import type { AdaptOptions } from './options.js'
import { folderContents } from './output.js'
import { plannedHeadsOf, plannedProbes } from './planHeads.js'
import { plannedNetworks } from './planNetworks.js'
import { adaptationReport, type Findings, reasonsOf } from './reportData.js'
import { scoreTarget } from './score.js'
import { type DomainFeatures, divided, standardisedFeatures } from './standardised.js'
import type { HeadTraining } from './trainedHead.js'

/** What an adaptation leaves behind. */
export interface AdaptationResult {
  readonly contents: ModelFolderContents
  readonly threads: number
  /** Everything that the report shows. */
  readonly report: ReportData
  readonly out: string | undefined
  readonly reportPath: string | undefined
}

export interface AdaptationData {
  readonly sources: readonly DataSource[]
  readonly target: DataSource
}

/** The options with the backbone that the kind of data has where none is named. */
export type SettledOptions = AdaptOptions & { readonly backbone: string }

interface Base extends RunFrame {
  readonly options: SettledOptions
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
    let reportPath: string | undefined
    if (options.out !== undefined) {
      context.phase('save', `Saving to ${options.out}`)
      await saveModelFolder(options.out, contents)
      context.emit({ type: 'saved', what: 'model', path: options.out })
      if (options.report) {
        reportPath = await writeReport(options.out, report)
        context.emit({ type: 'saved', what: 'report', path: reportPath })
      }
    }
    await directory.finish()
    context.emit({ type: 'done', seconds: watch.seconds(), summary: summaryOf(report, options) })
    return { contents, threads: engine.threads, report, out: options.out, reportPath }
  })
}

/** Whole paths, so that the run can be resumed from another folder. */
function recordedPlaces({ sources, target }: AdaptationData): { source: string[]; target: string } {
  const place = (data: DataSource) => (typeof data === 'string' ? paths.resolve(data) : 'list')
  return { source: sources.map(place), target: place(target) }
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
        heldOut: stacked(features.sources.map(({ heldOut }) => heldOut)),
        train: stacked(features.sources.map((source) => source.train)),
        target: features.target,
      },
      random: random.fork('choice'),
    }),
  )
  const chosen = made.candidates[verdict.chosen]!
  context.decide('kept', chosen.title, reasonsOf(made.candidates, verdict).join(' '))

  const model = await watch.time('Assembling', () => assembled(base, domains, made, verdict.chosen))
  const scores = await scored(base, kind, data.target, domains, made, verdict)
  if (scores)
    context.emit({
      type: 'metric',
      name: 'accuracy',
      on: 'the target',
      ...scores.accuracies[verdict.chosen]!,
      n: scores.n,
    })
  const runFile = {
    ...withoutOut(options),
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
      ...(options.report
        ? bothViews(base, domains, features, made, verdict.chosen)
        : { maps: [], distance: undefined }),
      reproduction: {
        command: `npx graft-ml adapt --config ${options.out === undefined ? 'run.json' : paths.join(options.out, 'run.json')} --out another-folder`,
        file: runFile,
        versions: { 'graft-ml': VERSION, ...runtimeVersions() },
      },
      threads: engine.threads,
      watch,
      random: random.fork('report'),
    }),
  )
  const statistics = await watch.time('Statistics', async () =>
    statisticsOfTarget(base, domains, features, model, chosen),
  )
  const { trunk, target } = domains
  const parts = domains.modality.folder(trunk, target.data)
  const finished = {
    model: domains.modality.finish?.(trunk, model) ?? model,
    parts,
    chosen,
    report,
    runFile,
    statistics,
    threads: engine.threads,
  }
  return { contents: folderContents(domains, options, finished), report }
}

function withoutOut({
  out: _out,
  overwrite: _overwrite,
  ...rest
}: SettledOptions): Omit<SettledOptions, 'out' | 'overwrite'> {
  return rest
}

/** Everything that the candidates follow from. */
function keyOf({ options, engine }: Base, { sources, target, trunk }: Domains, few: Int32Array | undefined): string {
  const { seed, method, setting, train, unfreeze, hidden, epochs, batch, lr } = options
  return JSON.stringify([
    VERSION,
    sources.map(({ data }) => data.fingerprint),
    target.data.fingerprint,
    [trunk.backbone.bytesSha256, trunk.point.features],
    { seed, method, setting, train, unfreeze, hidden, epochs, batch, lr },
    engine.threads,
    few?.join() ?? null,
  ])
}

async function featuresOf({ engine, cache, context }: Base, domains: Domains): Promise<DomainFeatures> {
  const { sources, target, trunk, modality } = domains
  const found = await domainFeatures([...sources, target], {
    trunk,
    nouns: modality.nouns,
    threads: engine.threads,
    cache,
    context,
  })
  const labelsAt = (which: 'train' | 'heldOut') =>
    Int32Array.from(sources.flatMap((source) => Array.from(source[which], (at) => source.labels[at]!)))
  return {
    sources: sources.map(({ name, train, heldOut }, i) => divided(name, found[i]!, train, heldOut)),
    trainLabels: labelsAt('train'),
    heldOutLabels: labelsAt('heldOut'),
    target: found[sources.length]!,
  }
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

/** By labels of the target, where they are there to score: everything is chosen by now. */
async function scored<T extends Trunk, D extends PreparedData>(
  { options, context, random }: Base,
  kind: DomainKind<T, D>,
  source: DataSource,
  domains: Domains<T, D>,
  made: Made,
  { chosen, baseline }: { readonly chosen: number; readonly baseline: number },
): Promise<Findings['scores']> {
  const { target, classes } = domains
  const reading = { ...options, ...READING }
  const known = options.evaluate
    ? matched(domains, nameOf(source), await kind.labels(source, target.data, reading, context.signal))
    : options.targetLabels !== undefined && options.labelUse === 'score'
      ? await fewLabels(kind, domains, options.targetLabels, reading, context.signal)
      : undefined
  if (known === undefined) return undefined
  const found = scoreTarget(
    made.candidates.map(({ target: { logits } }) =>
      options.setting === 'open' ? { logits, answers: openSetAnswers(logits) } : { logits },
    ),
    { kept: chosen, baseline },
    known,
    classes,
    options.setting === 'open',
    random.fork('score'),
  )
  const labels = options.evaluate
    ? 'the labels of the target'
    : `the labels of ${found?.n ?? 0} of its ${domains.modality.nouns.many}`
  return found && { ...found, labels, others: known.others }
}

/** Options that decide how labels of the source are read, and nothing of the target. */
const READING = { target: 'auto', classes: undefined } as const

const matched = ({ classes, sources }: Domains, name: string, own: SampleLabels): MatchedLabels =>
  matchLabels(classes, { name, ...own }, sources.map((source) => source.name).join(' and '))

/** Labels of some of the target's samples. @throws GraftError where they are of other samples */
async function fewLabels<T extends Trunk, D extends PreparedData>(
  kind: DomainKind<T, D>,
  domains: Domains<T, D>,
  place: string,
  reading: Parameters<DomainKind<T, D>['labels']>[2],
  signal: AbortSignal,
): Promise<MatchedLabels> {
  const { target, modality } = domains
  const own = await kind.someLabels(place, target.data, reading, signal)
  if (own.labels.every((label) => label < 0))
    throw new GraftError(`${place}: none of these ${modality.nouns.many} is in ${target.name}.`, {
      remedy: `Label some ${modality.nouns.many} of the target itself: they are told by their content.`,
    })
  return matched(domains, place, own)
}

/**
 * What new samples will be held against: the target, where the model is used. Classes are those that the model gives.
 */
function statisticsOfTarget(
  { random, context }: Base,
  { trunk, classes }: Domains,
  { target }: DomainFeatures,
  model: Model,
  { target: { logits } }: AdaptationCandidate,
): Readonly<Record<string, Uint8Array>> {
  const features = trunk.body.output
  if (target.rows < LEAST_SAMPLES || !hasValue(model, features)) {
    context.decide(
      'statistics',
      'none',
      `${target.rows} samples of the target are too few to tell later what is unlike them`,
    )
    return {}
  }
  const statistics = featureStatistics(
    { features: target, labels: argmaxRows(logits), classes: classes.length, logits },
    { random: random.fork('statistics') },
  )
  return { [STATISTICS_FILE]: encodeFile({ statistics, features }) }
}

/** Both domains before and after: by the standardised features, and by what goes into the kept model's last layer. */
function bothViews(
  base: Base,
  domains: Domains,
  features: DomainFeatures,
  made: Made,
  at: number,
): Pick<Findings, 'maps' | 'distance'> {
  const { train, target } = standardisedFeatures(features, 'source')
  const chosen = made.candidates[at]!
  const before = { train, target }
  const after = { train: chosen.train.features, target: chosen.target.features }
  return { maps: mapsOf(base, domains, features, before, after), distance: distanceOf(base, before, after) }
}

interface View {
  readonly train: Matrix
  readonly target: Matrix
}

function mapsOf(
  { random }: Base,
  { sources, target, classes }: Domains,
  features: DomainFeatures,
  before: View,
  after: View,
): Findings['maps'] {
  const draws = random.fork('maps')
  const unknown = new Int32Array(target.data.length).fill(-1)
  const name = sources.map((source) => source.name).join(' and ')
  const drawn = (source: Matrix, own: Matrix, when: string) =>
    domainMaps(
      [
        { name, features: source, labels: features.trainLabels },
        { name: target.name, features: own, labels: unknown },
      ],
      classes,
      when,
      draws,
    )
  return [...drawn(before.train, before.target, 'before'), ...drawn(after.train, after.target, 'after')]
}

/** Samples of each domain that the distance is measured on, at most. */
const MEASURED = 500

/** How well the domains can be told apart. */
function distanceOf({ random }: Base, before: View, after: View): Findings['distance'] {
  const draws = random.fork('distance')
  const some = (rows: Matrix, key: string) =>
    rows.rows <= MEASURED ? rows : takeRows(rows, draws.fork(key).permutation(rows.rows).slice(0, MEASURED))
  const of = ({ train, target }: View) =>
    proxyADistance(some(train, 'source'), some(target, 'target'), { random: draws }).distance
  return { before: of(before), after: of(after) }
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
