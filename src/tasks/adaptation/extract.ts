/** The features of every domain, each sample through the frozen backbone once. */
import { GraftError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import type { FeatureCache } from '../../data/featureCache.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { RunFrame } from '../training/frame.js'
import type { Nouns, Trunk } from '../training/modality.js'
import type { Domains } from './domains.js'
import type { Domain, Sources } from './sources.js'
import { type DomainFeatures, divided } from './standardised.js'

export interface Extracting {
  readonly trunk: Trunk
  readonly nouns: Nouns
  readonly threads: number
  readonly cache: FeatureCache
  readonly context: RunContext
}

/** Of every sample of each domain, (N, D), in the order of its data. */
export async function domainFeatures(
  domains: readonly Domain[],
  { trunk, nouns, threads, cache, context }: Extracting,
): Promise<Matrix[]> {
  const total = domains.reduce((sum, { data }) => sum + data.length, 0)
  const progress = context.progress('features', total, nouns.many)
  const found: Matrix[] = []
  for (const { name, data, feed } of domains) {
    const extractor = await feed.openExtractor({
      model: trunk.body.model,
      output: trunk.body.output,
      source: trunk.backbone.bytesSha256,
      threads,
      cache,
      signal: context.signal,
    })
    try {
      const all = Int32Array.from({ length: data.length }, (_, i) => i)
      const table = await extractor.features(all, (count) => progress.advance(count))
      found.push(checked(table.at(all).features, name, data))
    } finally {
      await extractor.release()
    }
  }
  return found
}

function checked(features: Matrix, name: string, data: Domain['data']): Matrix {
  const bad = features.data.findIndex((value) => !Number.isFinite(value))
  if (bad < 0) return features
  throw new GraftError(
    `${name}: the features of ${data.idOf(Math.floor(bad / features.columns))} contain ${features.data[bad]}.`,
    { remedy: 'The backbone overflows on this sample: take the sample out, or use a float32 backbone.' },
  )
}

type Frame = Pick<RunFrame, 'engine' | 'cache' | 'context'>

const extracting = ({ engine, cache, context }: Frame, { trunk, modality }: Sources): Extracting => ({
  trunk,
  nouns: modality.nouns,
  threads: engine.threads,
  cache,
  context,
})

/** Of all domains, with what is known of their samples. */
export async function featuresOf(frame: Frame, domains: Domains): Promise<DomainFeatures> {
  const { sources, target } = domains
  const found = await domainFeatures([...sources, target], extracting(frame, domains))
  return { ...known(domains, found), target: found[sources.length]! }
}

/** Of labelled domains alone. */
export async function sourceFeatures(frame: Frame, sources: Sources): Promise<Omit<DomainFeatures, 'target'>> {
  return known(sources, await domainFeatures(sources.sources, extracting(frame, sources)))
}

function known({ sources }: Sources, found: readonly Matrix[]): Omit<DomainFeatures, 'target'> {
  const labelsAt = (which: 'train' | 'heldOut') =>
    Int32Array.from(sources.flatMap((source) => Array.from(source[which], (at) => source.labels[at]!)))
  return {
    sources: sources.map(({ name, train, heldOut }, i) => divided(name, found[i]!, train, heldOut)),
    trainLabels: labelsAt('train'),
    heldOutLabels: labelsAt('heldOut'),
  }
}
