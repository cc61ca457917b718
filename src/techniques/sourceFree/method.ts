/**
 * Methods that adapt a model while it is used: a stream of batches goes in, predictions come out, nothing is labelled. Some
 * change the network's weights, some only what is made of its outputs.
 */
import { GraftError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { Engine } from '../../runtime/engine.js'
import type { Batch } from '../fineTuning/network.js'
import type { Json } from '../run/directory.js'
import type { Regime } from './guard.js'
import type { SavedNetwork } from './network.js'

/** What a network must have for a method. */
export type StreamNeed = 'features' | 'linear head' | 'batch norm' | 'norm'

/** A method with its options: made by its factory. */
export interface StreamMethod {
  readonly name: string
  readonly title: string
  readonly paper: string
  readonly options: Json
  readonly needs: readonly StreamNeed[]
  /** What it asks of the stream; the guard sees to it. */
  readonly regime: Regime
  /** @throws GraftError where it cannot be had for this network, saying why */
  open(context: StreamContext): Promise<OpenStreamMethod>
}

export interface StreamContext {
  readonly engine: Engine
  readonly network: SavedNetwork
  /** Samples of a batch at most. */
  readonly batch: number
  /** Keyed by the method's name. */
  readonly random: Random
}

/** What the network says of a batch as it was saved: logits (n, C) divided by the model's temperature, features (n, D) where it has them. */
export interface PlainOutputs {
  readonly logits: Matrix
  readonly features: Matrix | undefined
}

/** What a method makes of a batch. */
export interface StreamAnswer {
  /** (n, C); probabilities are their softmax. */
  readonly logits: Matrix
  /** Whether something was learnt of the batch. */
  readonly learnt: boolean
  /** The method itself asks to begin anew. */
  readonly collapsed?: string | undefined
}

export interface OpenStreamMethod {
  /** @param learn whether it may change itself; without it the batch is only answered */
  answer(batch: Batch, plain: PlainOutputs, learn: boolean): Promise<StreamAnswer>
  /** Back to the saved model. */
  reset(): Promise<void>
  release(): Promise<void>
}

const REASONS: Readonly<Record<StreamNeed, { lacks: string; remedy: string }>> = {
  features: {
    lacks: 'its head does not stand on one row of features a sample',
    remedy: 'Take a method that reads logits alone (label-shift) or changes norms (tent).',
  },
  'linear head': {
    lacks: 'its classifier is not a linear layer, whose rows could stand for the classes',
    remedy: 'Take another method, or train the model with a linear probe.',
  },
  'batch norm': {
    lacks: 'it has no batch norm: there is none in the architecture, or the exporter folded it into the convolutions',
    remedy:
      'Take a method that needs none (lame, t3a, label-shift, shot), or export the backbone with its batch norm kept and train again.',
  },
  norm: {
    lacks:
      'it has no scale or shift of a batch, layer or group norm: there is none in the architecture, or the exporter folded it away',
    remedy: 'Take a method that needs none (lame, t3a, label-shift, shot), or export the backbone with its norms kept.',
  },
}

/** @throws GraftError naming the first need that the network does not meet */
export function checkNeeds({ name, needs }: Pick<StreamMethod, 'name' | 'needs'>, network: SavedNetwork): void {
  const has: Readonly<Record<StreamNeed, boolean>> = {
    features: network.features !== undefined,
    'linear head': network.head !== undefined,
    'batch norm': network.batchNorm,
    norm: network.norms.length > 0,
  }
  const missing = needs.find((need) => !has[need])
  if (missing === undefined) return
  const { lacks, remedy } = REASONS[missing]
  throw new GraftError(`The method ${name} cannot be had for this model: ${lacks}.`, { remedy })
}
