/** The verb `shift`: how far two sets of samples differ, by tests on features, by classes, and in pictures. */
import { cpuCount, exists, paths, writeFileAtomic } from '#platform'
import { GraftError, messageOf, UsageError } from '../../base/errors.js'
import { type Matrix, takeRows } from '../../base/matrix.js'
import { Random } from '../../base/random.js'
import { VERSION } from '../../base/version.js'
import { openFeatureCache } from '../../data/featureCache.js'
import type { Picture, ReportData } from '../../evaluate/report/data.js'
import type { ShiftReport } from '../../evaluate/report/shiftData.js'
import { renderReport } from '../../evaluate/report.js'
import { measureShift, type Shift } from '../../evaluate/shift/index.js'
import { settleBackbone } from '../../models/place.js'
import { openEngine } from '../../runtime/engine.js'
import { linearProbe } from '../../techniques/featureExtraction/linearProbe.js'
import { standardise, standardiser } from '../../techniques/featureExtraction/standardise.js'
import { type Run, type RunContext, startRun } from '../../techniques/run/run.js'
import { kindOf } from '../kind.js'
import { parseOptions } from '../schema.js'
import { fetching } from '../training/fetching.js'
import type { Feed, PreparedData, Trunk } from '../training/modality.js'
import { machineName, versions } from '../training/reportParts.js'
import { startStopwatch } from '../training/stopwatch.js'
import { labelsOf } from '../training/workspace.js'
import { domainFeatures } from './extract.js'
import { type DataSource, type DomainKind, nameOf, PHOTOS, TEXTS } from './kinds.js'
import { domainMaps } from './maps.js'
import { type ShiftInput, type ShiftOptions, shiftSchema } from './options.js'
import { shiftFindings } from './shiftFindings.js'
import { type Domain, distinctNames } from './sources.js'

export interface ShiftDataOptions extends Omit<ShiftInput, 'source' | 'target'> {
  /** Samples, with or without labels: opened by `images()` or `texts()`, or where they lie. */
  readonly source: DataSource
  /** Samples to compare them with. Their labels, where there are any, are not looked at. */
  readonly target: DataSource
  readonly signal?: AbortSignal | undefined
}

export interface ShiftResult {
  /** Tests, estimates, and the samples by how alike they are: indices into the samples as they were read. */
  readonly shift: Shift
  /** Class names; empty where the source has no labels. */
  readonly classes: readonly string[]
  /** What the page shows. */
  readonly report: ReportData
  /** The page; undefined where no file was named. */
  readonly page: string | undefined
}

/** @throws UsageError (when awaited) for options that are wrong, GraftError for data or a backbone that cannot be used */
export function shift(options: ShiftDataOptions): Run<ShiftResult> {
  return startRun(
    async (context) => {
      const { source, target, signal: _signal, ...rest } = options
      const parsed = parseOptions(shiftSchema, { ...rest, source: nameOf(source), target: nameOf(target) })
      const kind = await kindOf(source, parsed.task, context)
      const other = await kindOf(target, parsed.task, { decide: () => undefined })
      if (other !== kind)
        throw new UsageError(`${nameOf(source)} and ${nameOf(target)} hold data of different kinds.`, {
          remedy: 'Compare photos with photos, or texts with texts.',
        })
      return kind === 'images'
        ? perform(context, PHOTOS, source, target, parsed)
        : perform(context, TEXTS, source, target, parsed)
    },
    { signal: options.signal },
  )
}

interface Opened<D> {
  readonly data: D
  readonly classes: readonly string[]
  readonly labels: Int32Array | undefined
}

async function perform<T extends Trunk, D extends PreparedData>(
  context: RunContext,
  kind: DomainKind<T, D>,
  source: DataSource,
  target: DataSource,
  options: ShiftOptions,
): Promise<ShiftResult> {
  const watch = startStopwatch()
  if (options.out !== undefined && !options.overwrite && (await exists(options.out)))
    throw new UsageError(`${options.out} is there already.`, {
      remedy: 'Name another file, or replace it with --overwrite.',
    })
  const modality = kind.modality(source)
  const name = options.backbone ?? modality.defaults.backbone
  context.phase('backbone', `Opening the backbone ${name}`)
  const opened = await modality.openTrunk(await settleBackbone(name, fetching(context, modality.kind)), options)
  const reading = { ...options, target: 'auto' as const, classes: undefined }
  const first = await openSource(kind, source, reading, context)
  const second = await kind.unlabelled(target, reading, context)
  const trunk = modality.adapt?.(opened, first.data) ?? opened
  const [firstName, secondName] = distinctNames([nameOf(source, 'source'), nameOf(target, 'target')])
  const random = new Random(options.seed, 'shift')
  const engine = await openEngine({ threads: options.threads ?? cpuCount(), signal: context.signal })
  const cache = openFeatureCache({ onNotice: (notice) => context.warn(notice) })
  try {
    const domain = async (own: string, data: D): Promise<Domain<D> & { feed: Feed }> => ({
      name: own,
      data,
      feed: await modality.feed(trunk, data, options, context),
    })
    const domains = [await domain(firstName!, first.data), await domain(secondName!, second)] as const
    context.phase('features', `Running the backbone once a ${modality.nouns.one}`)
    const extracting = { trunk, nouns: modality.nouns, threads: engine.threads, cache, context }
    const [a, b] = await domainFeatures(domains, extracting)
    context.phase('evaluation', 'Comparing')
    const known = first.labels === undefined ? undefined : await answers(engine, a!, b!, first, random, context.signal)
    const rows = known?.rows
    const found = measureShift(
      {
        source:
          rows === undefined
            ? { features: a! }
            : { features: takeRows(a!, rows), labels: known!.labels, logits: known!.source },
        target: known === undefined ? { features: b! } : { features: b!, logits: known.target },
      },
      { random: random.fork('measures'), permutations: options.permutations },
    )
    const report = await shiftReport(domains, [a!, b!], first, found, { random, watch, options, nouns: modality.nouns })
    context.emit({ type: 'done', seconds: watch.seconds(), summary: summaryOf(found) })
    if (options.out !== undefined) {
      await writeFileAtomic(options.out, renderReport(report))
      context.emit({ type: 'saved', what: 'report', path: options.out })
    }
    return { shift: found, classes: first.classes, report, page: options.out }
  } finally {
    watch.stop()
    await cache.close()
    await engine.close()
  }
}

/** With its labels, where it has one class a sample; which it is, is told. */
async function openSource<T extends Trunk, D extends PreparedData>(
  kind: DomainKind<T, D>,
  source: DataSource,
  options: Parameters<DomainKind<T, D>['unlabelled']>[1],
  context: RunContext,
): Promise<Opened<D>> {
  try {
    const data = await kind.modality(source).prepare(options, context)
    if (data.targets.kind === 'single-label' || data.targets.kind === 'ordinal')
      return { data, classes: data.targets.classes, labels: labelsOf(data.targets) }
    context.decide(
      'labels',
      'none',
      `${nameOf(source)} has no single class a sample, so that nothing is said of classes`,
    )
  } catch (error) {
    // Two folders of loose photos can be compared as well.
    if (!(error instanceof GraftError)) throw error
    context.decide('labels', 'none', `${messageOf(error)}, so that nothing is said of classes`)
  }
  return { data: await kind.unlabelled(source, options, context), classes: [], labels: undefined }
}

interface Answers {
  /** Rows of the source that were held out once. */
  readonly rows: Int32Array
  readonly labels: Int32Array
  readonly source: Matrix
  readonly target: Matrix
}

/** What a softmax regression on the source says of source samples that it has not seen, and of the target. */
async function answers(
  engine: Parameters<ReturnType<typeof linearProbe>['fit']>[3]['engine'],
  source: Matrix,
  target: Matrix,
  { labels, classes }: Opened<PreparedData>,
  random: Random,
  signal: AbortSignal,
): Promise<Answers | undefined> {
  const known = Int32Array.from(labels!.keys()).filter((i) => labels![i]! >= 0)
  const own = takeRows(source, known)
  const by = standardiser(own, undefined, 1e-3)
  const truth = Int32Array.from(known, (i) => labels![i]!)
  const fitted = await linearProbe().fit(standardise(own, by), truth, classes.length, {
    engine,
    random: random.fork('probe'),
    signal,
  })
  const { outOfFold } = fitted
  if (outOfFold === undefined) return undefined
  return {
    rows: outOfFold.rows.map((row) => known[row]!),
    labels: outOfFold.labels,
    source: outOfFold.logits,
    target: fitted.logits(standardise(target, by)),
  }
}

/** Samples of each kind in pictures. */
const SHOWN = 12

async function shiftReport(
  domains: readonly [Domain, Domain],
  features: readonly [Matrix, Matrix],
  first: Opened<PreparedData>,
  found: Shift,
  {
    random,
    watch,
    options,
    nouns,
  }: {
    random: Random
    watch: ReturnType<typeof startStopwatch>
    options: ShiftOptions
    nouns: { one: string; many: string }
  },
): Promise<ReportData> {
  const [a, b] = domains
  const order = Array.from(found.targetByLikeness)
  const pictures = (positions: readonly number[]): Promise<Picture[]> =>
    Promise.all(positions.map((at) => b.feed.example(at).catch(() => ({ name: b.data.idOf(at) }))))
  const maps = domainMaps(
    [
      { name: a.name, features: features[0], labels: first.labels ?? new Int32Array(a.data.length).fill(-1) },
      { name: b.name, features: features[1], labels: new Int32Array(b.data.length).fill(-1) },
    ],
    first.classes,
    '',
    random.fork('maps'),
  )
  const shown = Math.min(SHOWN, Math.floor(order.length / 2))
  const report: ShiftReport = {
    source: a.name,
    target: b.name,
    samples: { source: a.data.length, target: b.data.length },
    ...shiftFindings(found, first.classes, a.name, b.name),
    alike: await pictures(order.slice(0, shown)),
    unlike: await pictures(order.slice(order.length - shown).reverse()),
    maps,
  }
  return {
    title: `${a.name} and ${b.name}`,
    nouns,
    summary: `${a.data.length} ${nouns.many} of ${a.name} beside ${b.data.length} of ${b.name}, seen by one network.`,
    footer: `graft-ml ${VERSION}`,
    classes: first.classes,
    shift: report,
    resources: { phases: [], totalSeconds: watch.seconds(), machine: machineName() },
    reproduction: {
      command: `npx graft-ml shift ${a.data.origin ?? a.name} ${b.data.origin ?? b.name} --seed ${options.seed}`,
      file: {
        ...options,
        verb: 'shift',
        version: VERSION,
        out: options.out === undefined ? undefined : paths.base(options.out),
      },
      versions: versions(),
    },
  }
}

function summaryOf({ proxyADistance, mmd, energy, found }: Shift): Record<string, unknown> {
  return { found, proxyADistance, mmd, energy }
}
