/** What a training works on: the network and the sources of its samples. */
import type { Random } from '../../base/random.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import type { Network, SampleSource } from '../../techniques/fineTuning/network.js'
import { upperPart, wholeNetwork, withHead } from './trunk.js'
import type { Workspace } from './workspace.js'

/** Everything that a training needs besides its settings. */
export interface TuningJob {
  readonly network: Network
  readonly train: SampleSource
  readonly validation: SampleSource | undefined
  readonly random: Random
}

/** The whole network on augmented samples. */
export function wholeJob(work: Workspace, head: LinearHead): TuningJob {
  const { split, trunk, random, feed } = work
  const source = (positions: Int32Array) => feed.source(positions, random, { augment: true })
  return {
    network: wholeNetwork(trunk, withHead(trunk, head)),
    train: source(split.train),
    validation: split.validation.length > 0 ? source(split.validation) : undefined,
    random: random.fork('training'),
  }
}

/** The last blocks on what the frozen rest makes of the samples, computed once each. */
export async function upperJob(work: Workspace, head: LinearHead): Promise<TuningJob> {
  const { split, trunk, random, engine, cache, context, feed, modality } = work
  const upper = upperPart(trunk, withHead(trunk, head), work.options.unfreeze)
  // Every block trains: there is no frozen part to keep.
  if (upper === undefined) return wholeJob(work, head)
  const extractor = await feed.openExtractor({
    model: upper.frozen,
    output: upper.cut,
    source: trunk.backbone.bytesSha256,
    threads: engine.threads,
    cache,
    signal: context.signal,
  })
  try {
    const count = split.train.length + split.validation.length
    const progress = context.progress('features', count, modality.nouns.many)
    const source = (positions: Int32Array) =>
      extractor.source(upper.network.inputs, positions, (done) => progress.advance(done))
    return {
      network: upper.network,
      train: await source(split.train),
      validation: split.validation.length > 0 ? await source(split.validation) : undefined,
      random: random.fork('training'),
    }
  } finally {
    await extractor.release()
  }
}
