/** What a training works on: the network and the sources of its samples. */
import { type Matrix, takeRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { Targets } from '../../data/targets.js'
import { floats } from '../../runtime/types.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import type { Network, NetworkInput, SampleSource } from '../../techniques/fineTuning/network.js'
import { openExtractor } from '../images/features.js'
import { photoSource } from '../images/pixels.js'
import { upperPart, wholeNetwork, withHead } from '../images/trunk.js'
import { augmentation } from './settings.js'
import { labelsAt, samplesAt, type Workspace } from './workspace.js'

/** Everything that a training needs besides its settings. */
export interface TuningJob {
  readonly network: Network
  readonly train: SampleSource
  readonly validation: SampleSource | undefined
  readonly random: Random
}

/** The whole network on augmented photos. */
export function wholeJob(work: Workspace, head: LinearHead): TuningJob {
  const { split, trunk, random, options, data } = work
  const source = (positions: Int32Array) =>
    photoSource(
      samplesAt(work, positions),
      data.dataset.classes,
      trunk.transform,
      random.fork('photos'),
      augmentation(options),
    )
  return {
    network: wholeNetwork(trunk, withHead(trunk, head)),
    train: source(split.train),
    validation: split.validation.length > 0 ? source(split.validation) : undefined,
    random: random.fork('training'),
  }
}

/** The last blocks on what the frozen rest makes of the photos, computed once each. */
export async function upperJob(work: Workspace, head: LinearHead): Promise<TuningJob> {
  const { split, trunk, random, engine, cache, context, data } = work
  const model = withHead(trunk, head)
  const upper = upperPart(trunk, model, work.options.unfreeze)
  // Every block trains: there is no frozen part to keep.
  if (upper === undefined) return wholeJob(work, head)
  const extractor = await openExtractor(
    engine.threads,
    upper.frozen,
    upper.cut,
    trunk.backbone.bytesSha256,
    trunk.transform,
    cache,
    context.signal,
  )
  try {
    const progress = context.progress('features', split.train.length + split.validation.length, 'photos')
    const options = { onProgress: (count: number) => progress.advance(count) }
    const source = async (positions: Int32Array): Promise<SampleSource> => {
      const contents = Array.from(positions, (i) => data.contents[i]!)
      return matrixSource(
        await extractor.extract(samplesAt(work, positions), contents, options),
        { kind: 'single-label', classes: data.dataset.classes, labels: labelsAt(work, positions) },
        upper.network.inputs[0]!,
      )
    }
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

/** Rows of a matrix as samples. */
export function matrixSource(features: Matrix, targets: Targets, { name, sample }: NetworkInput): SampleSource {
  return {
    length: features.rows,
    targets,
    async *batches({ order, start, size }) {
      for (let at = start; at < order.length; at += size) {
        const samples = order.slice(at, at + size)
        const { data } = takeRows(features, samples)
        yield { samples, inputs: { [name]: floats([samples.length, ...sample], data) } }
      }
    },
  }
}
