/** Candidates that train a small head on cached features, by a method or by the source alone. */
import { InternalError } from '../../base/errors.js'
import { type Matrix, matrix } from '../../base/matrix.js'
import {
  type AdaptedCandidate,
  adaptFeatureNetwork,
  type FeatureDomain,
} from '../../techniques/domainAdaptation/adapt.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import type { TuningMethod } from '../../techniques/fineTuning/method.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { HeadMaking } from './baselines.js'
import type { AdaptationCandidate } from './candidate.js'
import type { DomainFeatures, Statistics } from './standardised.js'

export interface HeadTraining extends HeadMaking {
  readonly classNames: readonly string[]
  /** (N) of the target; -1 where a class is not known. Undefined: none is. */
  readonly targetLabels: Int32Array | undefined
  readonly settings: {
    readonly hidden: number
    readonly epochs: number | undefined
    readonly batch: number | undefined
    readonly lr: number | undefined
  }
  readonly context: RunContext
}

export interface HeadPlan {
  readonly name: string
  readonly title: string
  readonly paper: string | undefined
  readonly methods: readonly TuningMethod[]
  readonly statistics: Statistics
}

export async function trainedHead(
  { name, title, paper, methods, statistics }: HeadPlan,
  training: HeadTraining,
): Promise<AdaptationCandidate> {
  const { engine, classNames, features, targetLabels, random, context, settings } = training
  const { epochs, lr, batch, hidden } = settings
  const found = await adaptFeatureNetwork({
    engine,
    classes: classNames,
    sources: featureDomains(features),
    target: { name: TARGET, features: features.target, ...(targetLabels && { labels: targetLabels }) },
    methods,
    name,
    title,
    standardise: statistics,
    hidden,
    ...(batch === undefined ? {} : { rows: batch }),
    settings: { ...(epochs === undefined ? {} : { epochs }), ...(lr === undefined ? {} : { lr }) },
    random,
    // One of many: how far they all are is told by who makes them.
    context: { signal: context.signal, warn: (message, remedy) => context.warn(`${title}: ${message}`, remedy) },
  })
  return {
    name,
    title,
    paper,
    kept: { kind: 'head', head: { affine: found.standardiser, layers: layersOf(found) } },
    source: found.source,
    train: found.train,
    target: found.target,
    drift: found.drift,
    seconds: found.seconds,
    stepMs: found.stepsMs,
  }
}

/**
 * What domains are called where random numbers are keyed by it: not by their folders, so that a copy of the data under another name
 * gives the same model.
 */
export const TARGET = 'target'
export const sourceName = (i: number): string => `source ${i + 1}`

/** The sources with their labels, which stand one source after the other. */
export function featureDomains({
  sources,
  trainLabels,
  heldOutLabels,
}: Omit<DomainFeatures, 'target'>): FeatureDomain[] {
  const firsts = (rows: readonly number[]) => rows.map((_, i) => rows.slice(0, i).reduce((sum, n) => sum + n, 0))
  const trained = firsts(sources.map(({ train }) => train.rows))
  const held = firsts(sources.map(({ heldOut }) => heldOut.rows))
  return sources.map(({ train, heldOut }, i) => ({
    name: sourceName(i),
    features: train,
    labels: trainLabels.slice(trained[i], trained[i]! + train.rows),
    ...(heldOut.rows > 0 && {
      heldOut: { features: heldOut, labels: heldOutLabels.slice(held[i], held[i]! + heldOut.rows) },
    }),
  }))
}

/** A network of Gemm layers as linear heads: stored (from, to), kept (to, from). */
export function layersOf({ network, weights }: Pick<AdaptedCandidate, 'network' | 'weights'>): LinearHead[] {
  return network.layers.map(([weightName = '', biasName = '']) => {
    const weight = weights[weightName] ?? network.model.graph.initializers.get(weightName)
    const bias = weights[biasName] ?? network.model.graph.initializers.get(biasName)
    if (weight === undefined || bias === undefined) throw new InternalError(`the layer ${weightName} was not trained`)
    const [from = 0, to = 0] = weight.dims
    return {
      weight: transposed({ rows: from, columns: to, data: weight.data as Float32Array }),
      bias: Float32Array.from(bias.data as Float32Array),
    }
  })
}

function transposed({ rows, columns, data }: Matrix): Matrix {
  const out = matrix(columns, rows)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out.data[j * rows + i] = data[i * columns + j]!
  return out
}
