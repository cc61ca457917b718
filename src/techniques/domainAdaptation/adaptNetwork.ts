/**
 * Adapts a network to a domain without labels: fine-tuning on batches of all domains, with the terms of the methods. What trains (a
 * head on features, the last blocks, everything) is what the network's layers say. One candidate is one training; source-only is the
 * candidate without a method.
 */
import { now } from '#platform'
import { UsageError } from '../../base/errors.js'
import { argmaxRows, stackedRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { Engine } from '../../runtime/engine.js'
import { outputsOf } from '../fineTuning/evaluating.js'
import type { Outputs, TuningMethod, Weights } from '../fineTuning/method.js'
import type { Network, SampleSource } from '../fineTuning/network.js'
import { stepsAnEpoch } from '../fineTuning/order.js'
import type { EpochRecord } from '../fineTuning/position.js'
import type { TuningSettings } from '../fineTuning/settings.js'
import { train } from '../fineTuning/trainer.js'
import { memoryRunDirectory, type RunDirectory } from '../run/directory.js'
import type { RunContext } from '../run/run.js'
import { joinDomains } from './domainSource.js'
import { driftOf, predictionDrift } from './drift.js'

export interface SourceDomain {
  readonly name: string
  /** Trained on; a class of -1 is not known. */
  readonly source: SampleSource
  /** Samples of the same domain that are not trained on. */
  readonly heldOut?: SampleSource | undefined
}

export interface AdaptNetworkOptions {
  readonly engine: Engine
  /** With the weights that training starts from. */
  readonly network: Network
  /** What goes into the head, (N, D), for the outputs. @default `network.features` */
  readonly features?: string
  readonly sources: readonly SourceDomain[]
  /** `few`: the labels that its source has are learnt from as well; else they are hidden. */
  readonly target: { readonly name: string; readonly source: SampleSource; readonly few?: boolean }
  /** What is added to learning from the sources. @default nothing: source-only */
  readonly methods?: readonly TuningMethod[]
  /** Of the candidate. @default the methods' names */
  readonly name?: string
  readonly title?: string
  /** Rows of the sources together, and of the target, in each batch. @default half of `settings.batch` each */
  readonly rows?: number
  /** What fills up shorter samples, by input: the padding token of texts. @default 0 */
  readonly padding?: Readonly<Record<string, number>>
  readonly settings: TuningSettings
  readonly random: Random
  readonly context: RunContext
  /** Where checkpoints go. @default nowhere */
  readonly directory?: RunDirectory
  /** Names everything that a checkpoint depends on. @default '' */
  readonly key?: string
  /** Whether the outputs of the samples trained on are wanted too. @default false */
  readonly ofTraining?: boolean
}

export interface AdaptedNetwork {
  readonly name: string
  readonly title: string
  /** Undefined for source-only. */
  readonly method: string | undefined
  readonly network: Network
  /** Of the network, by parameter, after the last epoch. */
  readonly weights: Weights
  readonly history: readonly EpochRecord[]
  readonly seconds: number
  /** Of one step, on the average; the look at the target once an epoch included. */
  readonly stepsMs: number
  /** Of the held-out samples of the sources, one source after the other; of those trained on where none are held out. */
  readonly source: Outputs
  readonly train: Outputs | undefined
  readonly target: Outputs
  /** By epoch: the share of (at most 512) predictions on the target that it changed. */
  readonly drift: readonly number[]
}

/**
 * Trains one candidate: cross-entropy on the sources' labels and what the methods add. The last epoch is kept: an earlier one would
 * have to be chosen by labels of the source, which favour what has not adapted.
 *
 * @throws GraftError where a domain is empty, no source has labels, classes differ, or a method cannot be had for the network
 */
export async function adaptNetwork(options: AdaptNetworkOptions): Promise<AdaptedNetwork> {
  const { engine, network, sources, target, methods = [], random, context, ofTraining = false } = options
  checkSources(sources)
  const started = now()
  const rows = options.rows ?? Math.max(1, Math.floor(options.settings.batch / 2))
  const each = Math.max(1, Math.round(rows / sources.length))
  const joined = joinDomains(
    [...sources.map(({ name, source }) => ({ name, source, labelled: true })), { ...target, labelled: false }],
    [...sources.map(() => each), rows],
    options.padding === undefined ? {} : { padding: options.padding },
  )
  const batch = each * sources.length + rows
  const settings: TuningSettings = { ...options.settings, batch, methods: [...methods, predictionDrift()] }
  const outcome = await train({
    engine,
    network,
    train: joined,
    validation: undefined,
    settings,
    random,
    context,
    directory: options.directory ?? memoryRunDirectory(),
    key: options.key ?? '',
  })
  const { weights, history } = outcome
  const features = options.features ?? network.features
  await engine.setState(weights)
  const state = Object.keys(weights).map((own) => ({ name: own, input: own }))
  const evaluate = (source: SampleSource) =>
    outputsOf({ engine, network, batch, signal: context.signal }, state, features, source)
  const all = async (chosen: readonly (SampleSource | undefined)[]): Promise<Outputs> => {
    const parts: Outputs[] = []
    for (const source of chosen) if (source !== undefined) parts.push(await evaluate(source))
    return {
      logits: stackedRows(parts.map((part) => part.logits)),
      features: stackedRows(parts.map((part) => part.features)),
    }
  }
  const heldOut = sources.some((own) => own.heldOut !== undefined)
  const source = await all(sources.map((own) => (heldOut ? own.heldOut : own.source)))
  const trained = ofTraining ? await all(sources.map((own) => own.source)) : undefined
  const found = await evaluate(target.source)
  const made = methods.map((method) => method.name).join(' + ')
  const name = options.name ?? (made === '' ? 'source-only' : made)
  const steps = settings.epochs * stepsAnEpoch(joined, settings)
  return {
    name,
    title: options.title ?? name,
    method: made === '' ? undefined : made,
    network,
    weights,
    history,
    seconds: (now() - started) / 1000,
    stepsMs: (1000 * history.reduce((sum, { seconds }) => sum + seconds, 0)) / steps,
    source,
    train: trained,
    target: found,
    drift: driftOf(outcome.kept ?? {}, argmaxRows(found.logits)),
  }
}

/** @throws UsageError where there is none */
export function checkSources(sources: readonly { readonly name: string }[]): void {
  if (sources.length === 0)
    throw new UsageError('Adapting takes at least one labelled source; found none.', {
      remedy: 'Give it labelled samples to learn from; without any, adapt the saved model to a stream.',
    })
}
