/** Trains a small network on features of several labelled domains, for a domain that is not known yet. */
import { UsageError } from '../../base/errors.js'
import { type Matrix, stackedRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { Engine } from '../../runtime/engine.js'
import { ADAPTATION_SETTINGS, type FeatureDomain, featureSource, SILENT } from '../domainAdaptation/adapt.js'
import { joinDomains } from '../domainAdaptation/domainSource.js'
import { featureNetwork } from '../domainAdaptation/featureNetwork.js'
import { paceFor } from '../domainAdaptation/pace.js'
import { type Standardiser, standardiser } from '../featureExtraction/standardise.js'
import { outputsOf } from '../fineTuning/evaluating.js'
import type { Outputs, TuningMethod, Weights } from '../fineTuning/method.js'
import type { Network } from '../fineTuning/network.js'
import type { TuningSettings } from '../fineTuning/settings.js'
import { train } from '../fineTuning/trainer.js'
import { memoryRunDirectory } from '../run/directory.js'
import type { RunContext } from '../run/run.js'

export interface GeneraliseFeaturesOptions {
  readonly engine: Engine
  readonly classes: readonly string[]
  /** Two at least where a method compares them. */
  readonly sources: readonly FeatureDomain[]
  /** @default none: the mean loss over all domains, each counting alike ("ERM") */
  readonly methods?: readonly TuningMethod[]
  /** Width of the hidden layer; 0 for none. @default 256 */
  readonly hidden?: number
  /** Rows of each domain in a batch. @default 32, and more where there are many samples ({@link paceFor}) */
  readonly rows?: number
  /** Over what the samples' number suggests and {@link ADAPTATION_SETTINGS}. */
  readonly settings?: Partial<TuningSettings>
  readonly random: Random
  /** @default nothing is told, nothing stops it */
  readonly context?: Pick<RunContext, 'signal' | 'warn'>
}

export interface GeneralisedFeatures {
  readonly network: Network
  /** Of the network, by parameter, after the last epoch. */
  readonly weights: Weights
  /** The affine step in front of the network: the mean and deviation of all sources together. */
  readonly standardiser: Standardiser
  /** What it makes of any features, (N, D). */
  outputs(features: Matrix): Promise<Outputs>
}

/**
 * Every batch holds as many rows of each domain, and every domain counts alike however many samples it has.
 *
 * @throws GraftError where a domain is empty or shapes differ
 */
export async function generaliseFeatures(options: GeneraliseFeaturesOptions): Promise<GeneralisedFeatures> {
  const { engine, classes, sources, methods = [], hidden, random, context = SILENT } = options
  const [first, ...others] = sources
  if (first === undefined) throw new UsageError('Generalising takes labelled domains; found none.')
  for (const { name, features } of others)
    if (features.columns !== first.features.columns)
      throw new UsageError(
        `${name} has ${features.columns} features a sample; ${first.name} has ${first.features.columns}.`,
        {
          remedy: 'Compute the features of all domains with one backbone.',
        },
      )
  const step = standardiser(stackedRows(sources.map(({ features }) => features)))
  const network = featureNetwork({
    width: first.features.columns,
    classes: classes.length,
    ...(hidden === undefined ? {} : { hidden }),
    random: random.fork('network'),
  })
  const both = options.rows === undefined ? undefined : 2 * options.rows
  const { epochs, lr, rows: pair } = paceFor(Math.max(...sources.map(({ features }) => features.rows)), both)
  const rows = pair / 2
  const settings = { ...ADAPTATION_SETTINGS, epochs, lr, ...options.settings, batch: rows * sources.length, methods }
  const outcome = await train({
    engine,
    network,
    train: joinDomains(
      sources.map((own) => ({ name: own.name, source: featureSource(own, step, classes), labelled: true })),
      sources.map(() => rows),
    ),
    validation: undefined,
    settings,
    random: random.fork('training'),
    context: { ...SILENT, ...context },
    directory: memoryRunDirectory(),
    key: '',
  })
  return {
    network,
    weights: outcome.weights,
    standardiser: step,
    async outputs(features) {
      const state = Object.keys(outcome.weights).map((input) => ({ name: `graft.generalised/${input}`, input }))
      await engine.setState(Object.fromEntries(state.map(({ name, input }) => [name, outcome.weights[input]!])))
      const unknown = { features, labels: new Int32Array(features.rows).fill(-1) }
      const evaluating = { engine, network, batch: settings.batch, signal: context.signal }
      return outputsOf(evaluating, state, network.features, featureSource(unknown, step, classes))
    },
  }
}
