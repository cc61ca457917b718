/**
 * Adapts a small network on features in memory: those that a frozen backbone made once, or any that a caller has. One candidate is
 * one training; source-only is the candidate without a method.
 */
import { now } from '#platform'
import { UsageError } from '../../base/errors.js'
import { argmaxRows, type Matrix, matrix, row } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { Engine } from '../../runtime/engine.js'
import { floats } from '../../runtime/types.js'
import { type Standardiser, standardise, standardiser } from '../featureExtraction/standardise.js'
import { outputsOf } from '../fineTuning/evaluating.js'
import type { Outputs, TuningMethod, Weights } from '../fineTuning/method.js'
import type { Network, SampleSource } from '../fineTuning/network.js'
import { stepsAnEpoch } from '../fineTuning/order.js'
import type { TuningSettings } from '../fineTuning/settings.js'
import { train } from '../fineTuning/trainer.js'
import { memoryRunDirectory } from '../run/directory.js'
import type { RunContext } from '../run/run.js'
import { joinDomains } from './domainSource.js'
import { predictionDrift } from './drift.js'
import { FEATURES_INPUT, featureNetwork } from './featureNetwork.js'

export interface FeatureSamples {
  /** (N, D) */
  readonly features: Matrix
  /** (N), indices into the classes; -1 where it is not known. */
  readonly labels: Int32Array
}

export interface FeatureDomain extends FeatureSamples {
  readonly name: string
  /** Samples of the same domain that are not trained on. */
  readonly heldOut?: FeatureSamples
}

export interface AdaptFeaturesOptions {
  readonly engine: Engine
  readonly classes: readonly string[]
  readonly sources: readonly FeatureDomain[]
  /** Labels that are given are learnt from; without them it is wholly unlabelled. */
  readonly target: { readonly name: string; readonly features: Matrix; readonly labels?: Int32Array }
  /** What is added to learning from the sources. @default nothing: source-only */
  readonly methods?: readonly TuningMethod[]
  /** Of the candidate. @default the methods' names */
  readonly name?: string
  readonly title?: string
  /**
   * source: all features by the sources' mean and deviation. domain: each domain by its own, which is what AdaBN does for features
   * that have no batch norm of their own. @default 'source'
   */
  readonly standardise?: 'source' | 'domain'
  /** Width of the hidden layer; 0 for none. @default 256 */
  readonly hidden?: number
  /** Rows of the sources together, and of the target, in each batch. @default 64 */
  readonly rows?: number
  readonly settings?: Partial<TuningSettings>
  readonly random: Random
  readonly context: Pick<RunContext, 'signal' | 'warn'>
}

export interface AdaptedCandidate {
  readonly name: string
  readonly title: string
  /** Undefined for source-only. */
  readonly method: string | undefined
  readonly network: Network
  /** Of the network, by parameter, after the last epoch. */
  readonly weights: Weights
  /** The affine step in front of the network for samples of the target. */
  readonly standardiser: Standardiser
  readonly seconds: number
  /** Of one step, evaluation aside, on the average. */
  readonly stepsMs: number
  /** Of the held-out samples of the sources, one source after the other; of those trained on where none are held out. */
  readonly source: Outputs
  /** Of the samples trained on. */
  readonly train: Outputs
  readonly target: Outputs
  /** By epoch: the share of the target's predictions that it changed. */
  readonly drift: readonly number[]
}

/** What the papers' code uses on features, with a head that is small against theirs. */
export const ADAPTATION_SETTINGS: TuningSettings = {
  schedule: 'full',
  epochs: 30,
  batch: 128,
  accumulate: 1,
  batchNorm: 'frozen',
  ema: 0,
  patience: 0,
  optimizer: 'sgd',
  lr: 0.01,
  momentum: 0.9,
  nesterov: true,
  weightDecay: 1e-3,
  lrSchedule: 'inverse-power',
  warmup: 0,
  layerDecay: 1,
  clip: 0,
  labelSmoothing: 0,
  classWeights: false,
  balancedSampling: false,
  mix: undefined,
  checkpointSeconds: 0,
}

/** A variance is taken to be this share of the mean variance larger: what hardly varies in one domain may vary in the other. */
const FLOOR = 1e-3

/**
 * Trains one candidate: cross-entropy on the sources' labels and what the methods add. The last epoch is kept: an earlier one would
 * have to be chosen by labels of the source, which favour what has not adapted.
 *
 * @throws GraftError where a domain is empty, no source has labels, or shapes differ
 */
export async function adaptFeatures(options: AdaptFeaturesOptions): Promise<AdaptedCandidate> {
  const { engine, classes, sources, target, methods = [], random, context } = options
  check(options)
  const started = now()
  const steps = standardisers(options)
  const network = featureNetwork({
    width: target.features.columns,
    classes: classes.length,
    ...(options.hidden === undefined ? {} : { hidden: options.hidden }),
    random: random.fork('network'),
  })
  const sourceOf = (samples: FeatureSamples, step: Standardiser) => featureSource(samples, step, classes)
  const rows = options.rows ?? 64
  const each = Math.max(1, Math.round(rows / sources.length))
  const known = target.labels ?? new Int32Array(target.features.rows).fill(-1)
  const joined = joinDomains(
    [
      ...sources.map((own, s) => ({ name: own.name, source: sourceOf(own, steps.sources[s]!), labelled: true })),
      {
        name: target.name,
        source: sourceOf({ features: target.features, labels: known }, steps.target),
        labelled: false,
        few: target.labels !== undefined,
      },
    ],
    [...sources.map(() => each), rows],
  )
  const drift = predictionDrift()
  const settings: TuningSettings = {
    ...ADAPTATION_SETTINGS,
    ...options.settings,
    batch: each * sources.length + rows,
    methods: [...methods, drift.method],
  }
  const outcome = await train({
    engine,
    network,
    train: joined,
    validation: undefined,
    settings,
    random: random.fork('training'),
    context: { ...SILENT, ...context },
    directory: memoryRunDirectory(),
    key: '',
  })
  const evaluate = await evaluator(engine, network, outcome.weights, settings.batch, context.signal)
  const heldOut = sources.some((own) => own.heldOut !== undefined)
  const ofSources = async (samples: (own: FeatureDomain) => FeatureSamples | undefined): Promise<Outputs> => {
    const parts: Outputs[] = []
    for (const [s, own] of sources.entries()) {
      const chosen = samples(own)
      if (chosen !== undefined) parts.push(await evaluate(sourceOf(chosen, steps.sources[s]!)))
    }
    return {
      logits: stackedRows(parts.map(({ logits }) => logits)),
      features: stackedRows(parts.map(({ features }) => features)),
    }
  }
  const found = {
    source: await ofSources((own) => (heldOut ? own.heldOut : own)),
    train: await ofSources((own) => own),
    target: await evaluate(sourceOf({ features: target.features, labels: known }, steps.target)),
  }
  const trained = outcome.history.reduce((sum, { seconds }) => sum + seconds, 0)
  const made = methods.map(({ name }) => name).join(' + ')
  const name = options.name ?? (made === '' ? 'source-only' : made)
  return {
    name,
    title: options.title ?? name,
    method: made === '' ? undefined : made,
    network,
    weights: outcome.weights,
    standardiser: steps.target,
    seconds: (now() - started) / 1000,
    stepsMs: (1000 * trained) / (settings.epochs * stepsAnEpoch(joined, settings)),
    ...found,
    drift: drift.shares(argmaxRows(found.target.logits)),
  }
}

/** A candidate is one of many: its caller says how far they all are. */
export const SILENT: RunContext = {
  signal: new AbortController().signal,
  emit: () => undefined,
  phase: () => undefined,
  decide: () => undefined,
  warn: () => undefined,
  progress: () => ({ advance: () => undefined, set: () => undefined }),
}

function check({ sources, target, classes }: AdaptFeaturesOptions): void {
  if (sources.length === 0) throw new UsageError('Adapting takes at least one labelled source; found none.')
  const width = target.features.columns
  for (const { name, features, labels, heldOut } of sources)
    for (const own of heldOut === undefined ? [{ features, labels }] : [{ features, labels }, heldOut]) {
      if (own.features.columns !== width)
        throw new UsageError(`${name} has ${own.features.columns} features a sample; ${target.name} has ${width}.`, {
          remedy: 'Compute the features of all domains with one backbone.',
        })
      if (own.features.rows !== own.labels.length || own.labels.some((label) => label >= classes.length))
        throw new UsageError(
          `${name} has ${own.features.rows} samples and ${own.labels.length} labels, of ${classes.length} classes.`,
          { remedy: 'Give one label a sample: the index of its class, or -1 where it is not known.' },
        )
    }
}

function standardisers({ sources, target, standardise: by = 'source' }: AdaptFeaturesOptions): {
  readonly sources: readonly Standardiser[]
  readonly target: Standardiser
} {
  if (by === 'domain')
    return {
      sources: sources.map(({ features }) => standardiser(features, undefined, FLOOR)),
      target: standardiser(target.features, undefined, FLOOR),
    }
  const all = standardiser(stackedRows(sources.map(({ features }) => features)), undefined, FLOOR)
  return { sources: sources.map(() => all), target: all }
}

function stackedRows(parts: readonly Matrix[]): Matrix {
  if (parts.length === 1) return parts[0]!
  const all = matrix(
    parts.reduce((sum, { rows }) => sum + rows, 0),
    parts[0]!.columns,
  )
  let at = 0
  for (const part of parts) {
    all.data.set(part.data, at * all.columns)
    at += part.rows
  }
  return all
}

/** Features in memory as samples to train on. */
export function featureSource(
  { features, labels }: FeatureSamples,
  step: Standardiser,
  classes: readonly string[],
): SampleSource {
  const own = standardise(features, step)
  const { columns } = own
  return {
    length: own.rows,
    targets: { kind: 'single-label', classes, labels },
    async *batches({ order, start, size }) {
      for (let at = start; at < order.length; at += size) {
        const samples = order.slice(at, at + size)
        const data = new Float32Array(samples.length * columns)
        samples.forEach((sample, i) => {
          data.set(row(own, sample), i * columns)
        })
        yield { inputs: { [FEATURES_INPUT]: floats([samples.length, columns], data) }, samples }
      }
    },
  }
}

/** Logits and features of samples with these weights, in rows of `batch`. */
async function evaluator(
  engine: Engine,
  network: Network,
  weights: Weights,
  batch: number,
  signal: AbortSignal,
): Promise<(source: SampleSource) => Promise<Outputs>> {
  await engine.setState(weights)
  const state = Object.keys(weights).map((name) => ({ name, input: name }))
  return (source) => outputsOf({ engine, network, batch, signal }, state, network.features, source)
}
