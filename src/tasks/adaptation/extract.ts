/** The features of every domain, each sample through the frozen backbone once. */
import { GraftError } from '../../base/errors.js'
import { type Matrix, matrix } from '../../base/matrix.js'
import type { FeatureCache } from '../../data/featureCache.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { Nouns, Trunk } from '../training/modality.js'
import type { Domain } from './domains.js'

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

/** The rows of several matrices, one below the other. */
export function stacked(parts: readonly Matrix[]): Matrix {
  const columns = parts[0]?.columns ?? 0
  const all = matrix(
    parts.reduce((sum, { rows }) => sum + rows, 0),
    columns,
  )
  let at = 0
  for (const { data } of parts) {
    all.data.set(data, at)
    at += data.length
  }
  return all
}
