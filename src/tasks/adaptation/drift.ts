/** The verb `drift`: whether new samples still look like those that a model was trained on, and which do not. */
import { cpuCount, exists, paths, writeFileAtomic } from '#platform'
import { UsageError } from '../../base/errors.js'
import { argmaxRows } from '../../base/matrix.js'
import { Random } from '../../base/random.js'
import { VERSION } from '../../base/version.js'
import type { Picture, ReportData } from '../../evaluate/report/data.js'
import type { DriftReport } from '../../evaluate/report/driftData.js'
import { renderReport } from '../../evaluate/report.js'
import { type Drift, measureDrift, type OutlierScore } from '../../evaluate/shift/index.js'
import { type LoadedModelFolder, loadModelFolder } from '../../models/modelFolder.js'
import { openEngine } from '../../runtime/engine.js'
import { type Run, type RunContext, startRun } from '../../techniques/run/run.js'
import { kindOf } from '../kind.js'
import { parseOptions } from '../schema.js'
import { type SavedStatistics, statisticsOf } from '../statistics/file.js'
import { networkOutputs } from '../statistics/outputs.js'
import type { Feed, PreparedData, Trunk } from '../training/modality.js'
import { machineName, versions } from '../training/reportParts.js'
import { startStopwatch } from '../training/stopwatch.js'
import { answeringOf } from './driftAnswers.js'
import { driftFindings, leastAlike, SHOWN_SCORE } from './driftFindings.js'
import { type DataSource, type DomainKind, nameOf, PHOTOS, TEXTS } from './kinds.js'
import { type DriftInput, type DriftOptions, driftSchema } from './options.js'

export interface DriftDataOptions extends Omit<DriftInput, 'data'> {
  /** New samples: opened by `images()` or `texts()`, or where they lie. Their labels, where there are any, are not looked at. */
  readonly data: DataSource
  readonly signal?: AbortSignal | undefined
}

/** A sample that looks like nothing the model was trained on. */
export interface StrangeSample {
  readonly id: string
  /** What the model says of it nevertheless. */
  readonly label: string
  /** How far out it is, by `Drift.outliers`. */
  readonly score: number
  /** Share of samples like the training data that are as far out. */
  readonly pValue: number
}

export interface DriftResult {
  readonly drift: Drift
  /** The score that {@link strange} is sorted by. */
  readonly score: OutlierScore
  /** The furthest first. */
  readonly strange: readonly StrangeSample[]
  /** Samples as they were read: what the indices in `drift` stand for. */
  readonly ids: readonly string[]
  readonly report: ReportData
  readonly page: string | undefined
}

/** @throws UsageError (when awaited) for data of another kind than the model's, GraftError for a model without statistics */
export function drift(options: DriftDataOptions): Run<DriftResult> {
  return startRun(
    async (context) => {
      const { data, signal: _signal, ...rest } = options
      const parsed = parseOptions(driftSchema, { ...rest, data: nameOf(data) })
      if (parsed.out !== undefined && !parsed.overwrite && (await exists(parsed.out)))
        throw new UsageError(`${parsed.out} is there already.`, {
          remedy: 'Name another file, or replace it with --overwrite.',
        })
      const folder = await loadModelFolder(parsed.model)
      const saved = statisticsOf(folder, parsed.model)
      const kind = folder.record.task === 'image-classification' ? 'images' : 'texts'
      const found = await kindOf(data, parsed.task, { decide: () => undefined })
      if (found !== kind)
        throw new UsageError(`${parsed.model} reads ${SAYS[kind]}; ${nameOf(data)} holds ${SAYS[found]}.`, {
          remedy: `Give ${SAYS[kind]}.`,
        })
      return kind === 'images'
        ? perform(context, PHOTOS, data, folder, saved, parsed)
        : perform(context, TEXTS, data, folder, saved, parsed)
    },
    { signal: options.signal },
  )
}

const SAYS = { images: 'photos', texts: 'texts' } as const

async function perform<T extends Trunk, D extends PreparedData>(
  context: RunContext,
  kind: DomainKind<T, D>,
  source: DataSource,
  folder: LoadedModelFolder,
  { statistics, features }: SavedStatistics,
  options: DriftOptions,
): Promise<DriftResult> {
  const watch = startStopwatch()
  const modality = kind.modality(source)
  context.phase('backbone', `Opening ${options.model}`)
  const trunk = await modality.openTrunk(options.model, {})
  const data = await kind.unlabelled(source, { ...options, ...READING }, context)
  const feed = await modality.feed(trunk, data, {}, context)
  const engine = await openEngine({ threads: options.threads ?? cpuCount(), signal: context.signal })
  try {
    context.phase('features', `Running the model once a ${modality.nouns.one}`)
    const progress = context.progress('features', data.length, modality.nouns.many)
    const random = new Random(options.seed, 'drift')
    const all = Int32Array.from({ length: data.length }, (_, i) => i)
    const answering = answeringOf(folder)
    const asked = {
      model: answering.model,
      features,
      width: statistics.axes.axes.columns,
      outputs: answering.outputs,
    }
    const outputs = await networkOutputs(engine, asked, feed.source(all, random), context.signal, (n) =>
      progress.advance(n),
    )
    context.phase('evaluation', 'Comparing with the training data')
    const found = measureDrift(statistics, outputs, { random: random.fork('tests'), alpha: options.alpha })
    const { labels } = answering
    const answers = argmaxRows(answering.own(outputs.logits))
    const strange = leastAlike(found, options.top).map(({ at, score, pValue }) => ({
      id: data.idOf(at),
      label: labels[answers[at]!] ?? '',
      score,
      pValue,
    }))
    const report = await driftReport(found, {
      data,
      feed,
      labels,
      options,
      samples: statistics.samples,
      nouns: modality.nouns,
      watch,
      answers,
    })
    context.emit({ type: 'done', seconds: watch.seconds(), summary: { found: found.found, samples: found.samples } })
    if (options.out !== undefined) {
      await writeFileAtomic(options.out, renderReport(report))
      context.emit({ type: 'saved', what: 'report', path: options.out })
    }
    const ids = Array.from(all, (at) => data.idOf(at))
    return { drift: found, score: SHOWN_SCORE, strange, ids, report, page: options.out }
  } finally {
    watch.stop()
    await engine.close()
  }
}

/** Options of reading that make no difference without labels. */
const READING = { label: undefined, splitColumn: undefined, target: 'auto', classes: undefined } as const

const PICTURES = 24

interface Told {
  readonly data: PreparedData
  readonly feed: Feed
  /** Classes that the answers are of. */
  readonly labels: readonly string[]
  readonly options: DriftOptions
  readonly samples: number
  readonly nouns: { readonly one: string; readonly many: string }
  readonly watch: ReturnType<typeof startStopwatch>
  readonly answers: Int32Array
}

async function driftReport(found: Drift, told: Told): Promise<ReportData> {
  const { data, feed, labels, options, samples, nouns, watch, answers } = told
  const strange: DriftReport['strange'] = await Promise.all(
    leastAlike(found, PICTURES).map(async ({ at, pValue }) => {
      const picture: Picture = await feed.example(at).catch(() => ({ name: data.idOf(at) }))
      return { ...picture, said: labels[answers[at]!] ?? '', pValue }
    }),
  )
  const place = data.origin ?? 'the list'
  return {
    title: `${paths.base(paths.resolve(place))}, seen by ${paths.base(paths.resolve(options.model))}`,
    nouns,
    summary: `${data.length} new ${nouns.many} beside the ${samples} that the model was trained on.`,
    footer: `graft-ml ${VERSION}`,
    classes: labels,
    drift: { ...driftFindings(found, nouns, labels, answers), strange },
    resources: { phases: [], totalSeconds: watch.seconds(), machine: machineName() },
    reproduction: {
      command: `npx graft-ml drift ${options.model} ${place} --seed ${options.seed}`,
      file: { ...options, verb: 'drift', version: VERSION },
      versions: versions(),
    },
  }
}
