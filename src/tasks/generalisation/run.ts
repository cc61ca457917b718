/**
 * One generalisation from the sources to the model folder and its report: features -> every way of training, scored on each source by
 * models of the others -> the kept way, trained on all of them -> the saved model.
 */
import { softmaxRows, stackedRows, takeRows } from '../../base/matrix.js'
import { VERSION } from '../../base/version.js'
import { evaluate } from '../../evaluate/evaluation.js'
import type { ReportData } from '../../evaluate/report/data.js'
import type { ModelFolderContents } from '../../models/modelFolder.js'
import { settleBackbone } from '../../models/place.js'
import type { FeatureDomain } from '../../techniques/domainAdaptation/adapt.js'
import { generaliseFeatures } from '../../techniques/domainGeneralisation/generalise.js'
import { checkEqual } from '../../techniques/fineTuning/checkEqual.js'
import type { RunContext } from '../../techniques/run/run.js'
import { adaptedModel, networkLogits } from '../adaptation/assemble.js'
import { recordedPlace, repeated } from '../adaptation/base.js'
import { sourceFeatures } from '../adaptation/extract.js'
import type { AdaptedHead } from '../adaptation/head.js'
import { type DataSource, type DomainKind, nameOf } from '../adaptation/kinds.js'
import { folderContents, saveRun } from '../adaptation/output.js'
import { distinctNames, openSources, type Sources } from '../adaptation/sources.js'
import type { DomainFeatures } from '../adaptation/standardised.js'
import { statisticsFile } from '../adaptation/statistics.js'
import { featureDomains, layersOf } from '../adaptation/trainedHead.js'
import { READING } from '../adaptation/truth.js'
import { fetching } from '../training/fetching.js'
import { type FrameSettings, inFrame, type RunFrame } from '../training/frame.js'
import type { PreparedData, Trunk } from '../training/modality.js'
import { repeatCommand, versions } from '../training/reportParts.js'
import { compareOnPlaces, keptOf, POOLED } from './compare.js'
import { methodsFor } from './methods.js'
import type { GeneraliseOptions } from './options.js'
import { generalisationReport, reasonsOf } from './reportData.js'

/** What a generalisation leaves behind. */
export interface GeneralisationResult {
  readonly contents: ModelFolderContents
  readonly threads: number
  readonly report: ReportData
  readonly out: string | undefined
  readonly reportPath: string | undefined
}

type Settled = GeneraliseOptions & { readonly backbone: string }

/** @param resumed begins again with what was decided: trainings take seconds, and features are in the cache */
export async function performGeneralisation<T extends Trunk, D extends PreparedData>(
  context: RunContext,
  kind: DomainKind<T, D>,
  sources: readonly DataSource[],
  asked: GeneraliseOptions,
  resumed: boolean,
): Promise<GeneralisationResult> {
  const options: Settled = { ...asked, backbone: asked.backbone ?? kind.modality(sources[0]!).defaults.backbone }
  const settings: FrameSettings = {
    options,
    recorded: { ...options, source: sources.map(recordedPlace), verb: 'generalise' },
    stream: 'generalisation',
    checkpoints: [],
    resumed,
  }
  return inFrame(context, settings, async (frame) => {
    const { contents, report } = await generaliseModel(frame, kind, sources, options)
    const reportPath = await saveRun(context, options, contents, report)
    await frame.directory.finish()
    context.emit({ type: 'done', seconds: frame.watch.seconds(), summary: summaryOf(report, options.out) })
    return { contents, threads: frame.engine.threads, report, out: options.out, reportPath }
  })
}

async function generaliseModel<T extends Trunk, D extends PreparedData>(
  frame: RunFrame,
  kind: DomainKind<T, D>,
  given: readonly DataSource[],
  options: Settled,
): Promise<{ contents: ModelFolderContents; report: ReportData }> {
  const { context, watch, engine, random, directory } = frame
  const modality = kind.modality(given[0]!)
  const methods = methodsFor(options.method)
  context.phase('backbone', `Opening the backbone ${options.backbone}`)
  const backbone = await directory.decide('backbone name', () =>
    settleBackbone(options.backbone, fetching(context, modality.kind)),
  )
  const opened = await modality.openTrunk(backbone, options)
  const names = distinctNames(given.map((source, i) => nameOf(source, `source ${i + 1}`)))
  const sources = await watch.time(`Reading ${modality.nouns.many}`, () =>
    openSources(kind, opened, given, names, { ...options, ...READING }, random, context),
  )
  for (const warning of sources.warnings) context.warn(warning)
  context.phase('features', `Running the backbone once a ${modality.nouns.one}`)
  const features = await watch.time('Features', () => sourceFeatures(frame, sources))

  const { classes, trunk } = sources
  const { hidden, epochs, batch, lr } = options
  const training = {
    engine,
    classes,
    hidden,
    ...(batch === undefined ? {} : { rows: batch }),
    settings: { ...(epochs === undefined ? {} : { epochs }), ...(lr === undefined ? {} : { lr }) },
    context: { signal: context.signal, warn: context.warn },
  }
  context.phase('fine-tuning', 'Leaving out each source in turn')
  // With one of two left out there is nothing that a method could compare.
  const compared = given.length > 2 ? methods : []
  const domains = featureDomains(features)
  const trials = await watch.time('Leaving out', () =>
    compareOnPlaces(training, domains.map(whole), compared, random.fork('places'), context),
  )
  const at = keptOf(trials)
  const kept = trials[at]!
  const reasons = reasonsOf(trials, at, given.length)
  context.decide('kept', kept.title, reasons.join(' '))

  const found = await watch.time('Training on all', () =>
    generaliseFeatures({
      ...training,
      sources: domains,
      methods: kept.method === undefined ? [] : [kept.method],
      random: random.fork('final'),
    }),
  )
  const head: AdaptedHead = { affine: found.standardiser, layers: layersOf(found) }
  const model = await watch.time('Assembling', () => assembled(frame, sources, head, features, found.outputs))
  const heldOut = stackedRows(features.sources.map((source) => source.heldOut))
  const evaluation = evaluate(
    softmaxRows((await found.outputs(heldOut)).logits),
    features.heldOutLabels,
    classes,
    random.fork('evaluation'),
  )
  const trained = stackedRows(features.sources.map(({ train }) => train))
  const statistics = statisticsFile(frame, model, {
    trunk,
    classes,
    of: 'to learn from',
    features: trained,
    logits: (await found.outputs(trained)).logits,
  })
  const places = given.map(recordedPlace)
  const runFile = {
    ...repeated(options),
    source: places,
    verb: 'generalise',
    version: VERSION,
    threads: engine.threads,
  }
  const report = generalisationReport({
    sources,
    trials,
    kept: at,
    reasons,
    evaluation,
    reproduction: {
      command: repeatCommand('generalise', options.out),
      file: runFile,
      versions: versions(),
    },
    threads: engine.threads,
    watch,
  })
  const finished = {
    model: sources.modality.finish?.(trunk, model) ?? model,
    parts: sources.modality.folder(trunk, sources.sources[0]!.data),
    technique: `Domain generalisation: ${kept.name === POOLED ? 'all sources together' : kept.title}`,
    about: {
      generalisation: {
        method: kept.name,
        leftOut: kept.found.domains.map(({ accuracy, n }, i) => ({ source: names[i], n, accuracy: accuracy.value })),
        mean: kept.found.mean,
      },
    },
    report,
    runFile,
    statistics,
    threads: engine.threads,
  }
  return { contents: folderContents(sources, options, finished), report }
}

/** With the held-out rows among the others. */
const whole = ({ heldOut, ...own }: FeatureDomain): FeatureDomain =>
  heldOut === undefined
    ? own
    : {
        ...own,
        features: stackedRows([own.features, heldOut.features]),
        labels: Int32Array.from([...own.labels, ...heldOut.labels]),
      }

/** Samples on which the saved model is compared with the trained head. */
const CHECKED = 8

async function assembled(
  { engine, random, context }: RunFrame,
  { trunk, sources }: Sources,
  head: AdaptedHead,
  features: Omit<DomainFeatures, 'target'>,
  outputs: Awaited<ReturnType<typeof generaliseFeatures>>['outputs'],
) {
  const model = adaptedModel(trunk, { kind: 'head', head }, [])
  const { train } = sources[0]!
  const some = train.slice(0, CHECKED)
  const first = takeRows(features.sources[0]!.train, Int32Array.from(some.keys()))
  checkEqual(
    await networkLogits(engine, model, sources[0]!, some, random, context.signal),
    (await outputs(first)).logits,
  )
  return model
}

function summaryOf({ generalisation, evaluation }: ReportData, out: string | undefined): Record<string, unknown> {
  if (generalisation === undefined) return {}
  const { places, rows } = generalisation
  const kept = rows.find((row) => row.kept)
  return {
    ...(out === undefined ? {} : { out }),
    kept: kept?.name,
    leftOut: rows.map(({ name, places: own, mean, gain }) => ({
      method: name,
      mean,
      ...(gain && { gain }),
      places: own.map((accuracy, i) => ({ source: places[i]!.name, n: places[i]!.n, accuracy })),
    })),
    ...(evaluation?.kind === 'classes' && { heldOut: evaluation.accuracy }),
  }
}
