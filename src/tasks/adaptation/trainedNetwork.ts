/** Candidates that train the last blocks of the backbone, or all of it, by a method or by the source alone. */
import { availableMemory, residentMemory, sha256 } from '#platform'
import type { Random } from '../../base/random.js'
import type { FeatureCache } from '../../data/featureCache.js'
import type { Engine } from '../../runtime/engine.js'
import { adaptNetwork } from '../../techniques/domainAdaptation/adaptNetwork.js'
import { pairedViews } from '../../techniques/domainAdaptation/pairedViews.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import { planTraining, withPlan } from '../../techniques/fineTuning/memory.js'
import type { TuningMethod } from '../../techniques/fineTuning/method.js'
import { featuresOf } from '../../techniques/fineTuning/methods/inside.js'
import type { Network, SampleSource } from '../../techniques/fineTuning/network.js'
import type { TuningSettings } from '../../techniques/fineTuning/settings.js'
import type { RunDirectory } from '../../techniques/run/directory.js'
import type { RunContext } from '../../techniques/run/run.js'
import { parseOptions } from '../schema.js'
import { parseLimit } from '../training/memory.js'
import { tuningSettings } from '../training/settings.js'
import { settled, trainSchema } from '../training/trainOptions.js'
import { upperPart, wholeNetwork, withHead } from '../training/trunk.js'
import type { AdaptationCandidate } from './candidate.js'
import type { Domains } from './domains.js'
import type { AdaptOptions } from './options.js'
import type { Domain } from './sources.js'
import { sourceName, TARGET } from './trainedHead.js'

export interface NetworkTraining {
  readonly domains: Domains
  readonly options: AdaptOptions
  readonly engine: Engine
  readonly cache: FeatureCache
  readonly directory: RunDirectory
  readonly random: Random
  readonly context: RunContext
  /** Of everything that the training follows from. */
  readonly key: string
  /** (N) of the target; -1 where a class is not known. Undefined: none is. */
  readonly targetLabels: Int32Array | undefined
}

export interface NetworkPlan {
  readonly name: string
  readonly title: string
  readonly paper: string | undefined
  readonly methods: readonly TuningMethod[]
  /** Whether the methods learn from a weakly and a strongly changed view of each photo of the target. */
  readonly views: boolean
  /** Where the head begins. */
  readonly start: LinearHead
}

/** Samples of each domain in a step, where nothing is said. */
const ROWS = 16

export async function trainedNetwork(plan: NetworkPlan, training: NetworkTraining): Promise<AdaptationCandidate> {
  const { domains, options, engine, directory, random, context, targetLabels } = training
  const { sources, target, classes } = domains
  const job = await jobFor(plan, training)
  const rows = options.batch ?? ROWS
  const each = Math.max(1, Math.round(rows / sources.length))
  const everything = Int32Array.from({ length: target.data.length }, (_, i) => i)
  const ofTarget = withLabels(await job.source(target, everything), classes, targetLabels ?? unknown(target))
  const settings = planned(
    job.network,
    ofTarget,
    settingsFor(training, each * sources.length + rows, plan.methods),
    training,
  )
  const key = sha256(`${training.key}\n${plan.name}\n${JSON.stringify({ ...settings, checkpointSeconds: 0 })}`)
  const found = await adaptNetwork({
    engine,
    network: job.network,
    features: featuresOf(job.network, plan.title).value,
    sources: await Promise.all(
      sources.map(async (own, i) => ({
        name: sourceName(i),
        source: await job.source(own, own.train),
        ...(own.heldOut.length > 0 && { heldOut: await job.source(own, own.heldOut) }),
      })),
    ),
    target: { name: TARGET, source: ofTarget, few: targetLabels !== undefined },
    methods: plan.methods,
    name: plan.name,
    title: plan.title,
    rows,
    padding: domains.padding,
    settings,
    random: random.fork('training'),
    context,
    directory: ownCheckpoint(directory, key),
    key,
    ofTraining: true,
  })
  return {
    name: plan.name,
    title: plan.title,
    paper: plan.paper,
    kept: { kind: 'network', weights: found.weights },
    source: found.source,
    train: found.train ?? found.source,
    target: found.target,
    drift: found.drift,
    seconds: found.seconds,
    stepMs: found.stepsMs,
  }
}

interface Job {
  readonly network: Network
  source(domain: Domain, positions: Int32Array): Promise<SampleSource>
}

/** All of the network on augmented samples, or its last blocks on what the frozen rest makes of the samples, computed once each. */
async function jobFor(
  { start, views }: NetworkPlan,
  { domains, options, engine, cache, random, context }: NetworkTraining,
): Promise<Job> {
  const { trunk } = domains
  const model = withHead(trunk, start)
  const upper = options.train === 'blocks' ? upperPart(trunk, model, options.unfreeze) : undefined
  if (upper === undefined)
    return {
      network: wholeNetwork(trunk, model),
      async source(domain, positions) {
        const weak = domain.feed.source(positions, random.fork('samples'), { augment: 'light' })
        if (!views || domain !== domains.target || domains.modality.kind !== 'images') return weak
        return pairedViews(weak, domain.feed.source(positions, random.fork('strong views'), { augment: 'strong' }))
      },
    }
  return {
    network: upper.network,
    async source({ feed }, positions) {
      const extractor = await feed.openExtractor({
        model: upper.frozen,
        output: upper.cut,
        source: trunk.backbone.bytesSha256,
        threads: engine.threads,
        cache,
        signal: context.signal,
      })
      try {
        return await extractor.source(upper.network.inputs, positions)
      } finally {
        await extractor.release()
      }
    },
  }
}

const unknown = ({ data }: Domain): Int32Array => new Int32Array(data.length).fill(-1)

function withLabels(source: SampleSource, classes: readonly string[], labels: Int32Array): SampleSource {
  return { ...source, targets: { kind: 'single-label', classes, labels } }
}

/** What suits the kind of data where the network trains. */
function settingsFor(
  { options, domains }: NetworkTraining,
  batch: number,
  methods: readonly TuningMethod[],
): TuningSettings {
  const { epochs, lr } = options
  const parsed = parseOptions(trainSchema, { data: 'domains', batch, ...(epochs && { epochs }), ...(lr && { lr }) })
  const own = settled(parsed, domains.modality.defaults)
  return { ...tuningSettings(own, { epochs: own.epochs, lr: own.lr, methods }), mix: undefined }
}

/** The share of the free memory that `auto` lets the training have. */
const COMFORTABLE = 0.8

function planned(
  network: Network,
  source: SampleSource,
  settings: TuningSettings,
  { engine, options }: NetworkTraining,
): TuningSettings {
  const limit = parseLimit(options.memory) ?? residentMemory() + COMFORTABLE * availableMemory()
  const plan = planTraining({
    network,
    targets: source.targets,
    shapes: source.shapes,
    settings,
    threads: engine.threads,
    baseline: residentMemory(),
    limit,
  })
  return withPlan(settings, plan)
}

/** A checkpoint of another candidate is no beginning for this one. */
function ownCheckpoint(directory: RunDirectory, key: string): RunDirectory {
  return {
    ...directory,
    async readCheckpoint(name) {
      const found = await directory.readCheckpoint(name)
      return found?.metadata.key === key ? found : undefined
    },
  }
}
