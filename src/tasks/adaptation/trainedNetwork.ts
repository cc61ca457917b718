/** Candidates that train the last blocks of the backbone, or all of it, by a method or by the source alone. */
import { availableMemory, now, residentMemory, sha256 } from '#platform'
import { argmaxRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { FeatureCache } from '../../data/featureCache.js'
import type { Engine } from '../../runtime/engine.js'
import { joinDomains } from '../../techniques/domainAdaptation/domainSource.js'
import { predictionDrift } from '../../techniques/domainAdaptation/drift.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import { outputsOf } from '../../techniques/fineTuning/evaluating.js'
import { planTraining, withPlan } from '../../techniques/fineTuning/memory.js'
import type { TuningMethod } from '../../techniques/fineTuning/method.js'
import { featuresOf } from '../../techniques/fineTuning/methods/inside.js'
import type { Network, SampleSource } from '../../techniques/fineTuning/network.js'
import { stepsAnEpoch } from '../../techniques/fineTuning/order.js'
import type { TuningSettings } from '../../techniques/fineTuning/settings.js'
import { train } from '../../techniques/fineTuning/trainer.js'
import type { RunDirectory } from '../../techniques/run/directory.js'
import type { RunContext } from '../../techniques/run/run.js'
import { parseOptions } from '../schema.js'
import { parseLimit } from '../training/memory.js'
import { tuningSettings } from '../training/settings.js'
import { settled, trainSchema } from '../training/trainOptions.js'
import { upperPart, wholeNetwork, withHead } from '../training/trunk.js'
import type { Candidate } from './candidate.js'
import type { Domain, Domains } from './domains.js'
import { stacked } from './extract.js'
import type { AdaptOptions } from './options.js'
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
  /** Where the head begins. */
  readonly start: LinearHead
}

/** Samples of each domain in a step, where nothing is said. */
const ROWS = 16

export async function trainedNetwork(plan: NetworkPlan, training: NetworkTraining): Promise<Candidate> {
  const started = now()
  const { domains, options, engine, directory, random, context, targetLabels } = training
  const { sources, target, classes } = domains
  const job = await jobFor(plan.start, training)
  const rows = options.batch ?? ROWS
  const each = Math.max(1, Math.round(rows / sources.length))
  const everything = Int32Array.from({ length: target.data.length }, (_, i) => i)
  const joined = joinDomains(
    [
      ...(await Promise.all(
        sources.map(async (own, i) => ({
          name: sourceName(i),
          source: await job.source(own, own.train, true),
          labelled: true,
        })),
      )),
      {
        name: TARGET,
        source: withLabels(await job.source(target, everything, true), classes, targetLabels ?? unknown(target)),
        labelled: false,
        few: targetLabels !== undefined,
      },
    ],
    [...sources.map(() => each), rows],
  )
  const drift = predictionDrift()
  const own = settingsFor(training, each * sources.length + rows, [...plan.methods, drift.method])
  const settings = planned(job.network, joined, own, training)
  const key = sha256(`${training.key}\n${plan.name}\n${JSON.stringify({ ...settings, checkpointSeconds: 0 })}`)
  const outcome = await train({
    engine,
    network: job.network,
    train: joined,
    validation: undefined,
    settings,
    random: random.fork('training'),
    context,
    directory: ownCheckpoint(directory, key),
    key,
  })
  const features = featuresOf(job.network, plan.title).value
  await engine.setState(outcome.weights)
  const state = Object.keys(outcome.weights).map((name) => ({ name, input: name }))
  const evaluating = { engine, network: job.network, batch: rows, signal: context.signal }
  const outputs = async (domain: Domain, positions: Int32Array) =>
    outputsOf(evaluating, state, features, await job.source(domain, positions, false))
  const ofSources = async (which: 'train' | 'heldOut') => {
    const parts = []
    for (const source of sources) parts.push(await outputs(source, source[which]))
    return {
      logits: stacked(parts.map(({ logits }) => logits)),
      features: stacked(parts.map((part) => part.features)),
    }
  }
  const found = {
    source: await ofSources('heldOut'),
    train: await ofSources('train'),
    target: await outputs(target, everything),
  }
  const seconds = outcome.history.reduce((sum, epoch) => sum + epoch.seconds, 0)
  return {
    name: plan.name,
    title: plan.title,
    paper: plan.paper,
    kept: { kind: 'network', weights: outcome.weights },
    ...found,
    drift: drift.shares(argmaxRows(found.target.logits)),
    seconds: (now() - started) / 1000,
    stepMs: (1000 * seconds) / (settings.epochs * stepsAnEpoch(joined, settings)),
  }
}

interface Job {
  readonly network: Network
  source(domain: Domain, positions: Int32Array, augment: boolean): Promise<SampleSource>
}

/** All of the network on augmented samples, or its last blocks on what the frozen rest makes of the samples, computed once each. */
async function jobFor(
  start: LinearHead,
  { domains, options, engine, cache, random, context }: NetworkTraining,
): Promise<Job> {
  const { trunk } = domains
  const model = withHead(trunk, start)
  const upper = options.train === 'blocks' ? upperPart(trunk, model, options.unfreeze) : undefined
  if (upper === undefined)
    return {
      network: wholeNetwork(trunk, model),
      source: async ({ feed }, positions, augment) => feed.source(positions, random.fork('samples'), { augment }),
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
