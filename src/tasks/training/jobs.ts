/** What a training works on: the network and the sources of its samples. */
import type { Random } from '../../base/random.js'
import { type AppliedAdapter, applyAdapter } from '../../models/adapters/index.js'
import { HEAD_BIAS, HEAD_WEIGHT } from '../../models/attach.js'
import { sourceHead } from '../../models/sourceHead.js'
import type { HostTensor } from '../../runtime/types.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import type { Network, SampleSource } from '../../techniques/fineTuning/network.js'
import { chooseMethods } from './methods/table.js'
import { inputShapes, upperPart, wholeNetwork, withHead } from './trunk.js'
import type { Workspace } from './workspace.js'

/** Everything that a training needs besides its settings. */
export interface TuningJob {
  readonly network: Network
  readonly train: SampleSource
  readonly validation: SampleSource | undefined
  readonly random: Random
  /** What trains in place of all weights. */
  readonly adapter?: AppliedAdapter
}

/** The whole network on augmented samples. */
export function wholeJob(work: Workspace, head: LinearHead): TuningJob {
  const { split, trunk, random, feed } = work
  const adapter = adapterFor(work, head)
  const source = (positions: Int32Array) => feed.source(positions, random, { augment: true })
  const network = wholeNetwork(trunk, withHead(trunk, head))
  return {
    network: adapter ? adaptedNetwork(network, adapter) : { ...network, ...knownHead(trunk) },
    ...(adapter ? { adapter } : {}),
    train: source(split.train),
    validation: split.validation.length > 0 ? source(split.validation) : undefined,
    random: random.fork('training'),
  }
}

/** The backbone with its head and the adapter that was asked for, frozen but for head and adapter. */
function adapterFor({ trunk, random, options }: Workspace, head: LinearHead): AppliedAdapter | undefined {
  const { adapter } = chooseMethods(options.methods)
  if (adapter === undefined) return undefined
  const shapes = inputShapes(trunk)
  return applyAdapter(withHead(trunk, head), adapter.method, random.fork('adapter'), { shapes })
}

const adaptedNetwork = (network: Network, { model, trainable }: AppliedAdapter): Network => ({
  ...network,
  model,
  layers: [...trainable, [HEAD_WEIGHT, HEAD_BIAS]],
})

/** The classifier that the backbone came with, for methods that ask it. */
function knownHead({ backbone }: Workspace['trunk']): Pick<Network, 'sourceHead'> {
  const found = sourceHead(backbone.model, backbone.head)
  return found === undefined
    ? {}
    : { sourceHead: { weight: found.weight as HostTensor, bias: found.bias as HostTensor } }
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
