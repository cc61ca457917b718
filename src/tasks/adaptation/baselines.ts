/** Models that are trained on the source alone: what an adapted one must be better than. */
import { now } from '#platform'
import { InternalError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import type { Engine } from '../../runtime/engine.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import { linearProbe } from '../../techniques/featureExtraction/linearProbe.js'
import type { AdaptationCandidate } from './candidate.js'
import { headOutputs } from './head.js'
import {
  type DomainFeatures,
  type StandardisedFeatures,
  type Statistics,
  standardisedFeatures,
} from './standardised.js'

export interface HeadMaking {
  readonly engine: Engine
  readonly random: Random
  readonly signal: AbortSignal
  readonly classes: number
  readonly features: DomainFeatures
}

/** The candidate that stands for doing nothing. */
export const SOURCE_ONLY = 'source-only'
/** The same with a hidden layer: what heads that adapt are compared with. */
export const SOURCE_HEAD = 'source-head'

/** What standardises each domain by itself. */
export const ADABN =
  'Li, Wang, Shi, Liu, Hou 2016, Revisiting Batch Normalization For Practical Domain Adaptation, arXiv 1603.04779'

/** A softmax regression on the labelled source, its penalty found by cross-validation there. */
export async function sourceProbe(statistics: Statistics, making: HeadMaking): Promise<AdaptationCandidate> {
  const started = now()
  const { engine, random, signal, classes, features } = making
  const ready = standardisedFeatures(features, statistics)
  const fitted = await linearProbe().fit(ready.train, features.trainLabels, classes, { engine, random, signal })
  if (fitted.linear === undefined) throw new InternalError('a linear probe is one layer')
  const plain = statistics === 'source'
  return {
    name: plain ? SOURCE_ONLY : 'standardised',
    title: plain ? 'Source only' : 'Source only, each domain standardised by itself',
    paper: plain ? undefined : ADABN,
    ...(await madeOf(engine, ready, [fitted.linear])),
    drift: [],
    seconds: (now() - started) / 1000,
    stepMs: undefined,
  }
}

/** What layers on standardised features are and say, as a part of a candidate. */
export async function madeOf(
  engine: Engine,
  ready: StandardisedFeatures,
  layers: readonly LinearHead[],
): Promise<Pick<AdaptationCandidate, 'kept' | 'source' | 'train' | 'target'>> {
  const parts = [ready.heldOut, ready.train, ready.target]
  const [source, train, target] = await headOutputs(engine, { affine: undefined, layers }, parts)
  if (source === undefined || train === undefined || target === undefined) throw new InternalError('no outputs')
  return { kept: { kind: 'head', head: { affine: ready.affine, layers } }, source, train, target }
}
