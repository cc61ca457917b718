/** Adapts a small network on features in memory: those that a frozen backbone made once, or any that a caller has. */
import { InternalError, UsageError } from '../../base/errors.js'
import { type Matrix, stackedRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { Engine } from '../../runtime/engine.js'
import { type Standardiser, standardise, standardiser } from '../featureExtraction/standardise.js'
import { matrixSource } from '../fineTuning/matrixSource.js'
import type { Outputs, TuningMethod } from '../fineTuning/method.js'
import type { SampleSource } from '../fineTuning/network.js'
import type { TuningSettings } from '../fineTuning/settings.js'
import type { RunContext } from '../run/run.js'
import { type AdaptedNetwork, adaptNetwork, checkSources } from './adaptNetwork.js'
import { FEATURES_INPUT, featureNetwork } from './featureNetwork.js'
import { paceFor } from './pace.js'

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

export interface AdaptFeatureNetworkOptions {
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
  /** Rows of the sources together, and of the target, in each batch. @default 64, and more where there are many ({@link paceFor}) */
  readonly rows?: number
  /** Over what the samples' number suggests ({@link paceFor}) and {@link ADAPTATION_SETTINGS}. */
  readonly settings?: Partial<TuningSettings>
  readonly random: Random
  readonly context: Pick<RunContext, 'signal' | 'warn'>
}

export interface AdaptedCandidate extends AdaptedNetwork {
  /** The affine step in front of the network for samples of the target. */
  readonly standardiser: Standardiser
  readonly train: Outputs
}

/** What the papers' code uses on features, with a head that is small against theirs; epochs, batch and rate for up to 1,000 samples. */
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
 * {@link adaptNetwork} on a network of {@link featureNetwork}, on standardised features.
 *
 * @throws GraftError where a domain is empty, no source has labels, or shapes differ
 */
export async function adaptFeatureNetwork(options: AdaptFeatureNetworkOptions): Promise<AdaptedCandidate> {
  const { engine, classes, sources, target, methods = [], random, context } = options
  check(options)
  const steps = standardisers(options)
  const network = featureNetwork({
    width: target.features.columns,
    classes: classes.length,
    ...(options.hidden === undefined ? {} : { hidden: options.hidden }),
    random: random.fork('network'),
  })
  const total = (all: readonly FeatureSamples[]) => all.reduce((sum, own) => sum + own.features.rows, 0)
  const { rows, ...pace } = paceFor(Math.max(total(sources), target.features.rows), options.rows)
  const known = target.labels ?? new Int32Array(target.features.rows).fill(-1)
  const found = await adaptNetwork({
    engine,
    network,
    sources: sources.map(({ name, heldOut, ...own }, s) => ({
      name,
      source: featureSource(own, steps.sources[s]!, classes),
      heldOut: heldOut && featureSource(heldOut, steps.sources[s]!, classes),
    })),
    target: {
      name: target.name,
      source: featureSource({ features: target.features, labels: known }, steps.target, classes),
      few: target.labels !== undefined,
    },
    methods,
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.title === undefined ? {} : { title: options.title }),
    rows,
    settings: { ...ADAPTATION_SETTINGS, ...pace, ...options.settings },
    random: random.fork('training'),
    context: { ...SILENT, ...context },
    ofTraining: true,
  })
  const { train } = found
  if (train === undefined) throw new InternalError('no outputs of the samples trained on')
  return { ...found, train, standardiser: steps.target }
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

function check({ sources, target, classes }: AdaptFeatureNetworkOptions): void {
  checkSources(sources)
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

function standardisers({ sources, target, standardise: by = 'source' }: AdaptFeatureNetworkOptions): {
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

/** Features in memory as samples to train on. */
export function featureSource(
  { features, labels }: FeatureSamples,
  step: Standardiser,
  classes: readonly string[],
): SampleSource {
  const targets = { kind: 'single-label', classes, labels } as const
  return matrixSource(standardise(features, step), targets, { name: FEATURES_INPUT, sample: [features.columns] })
}
