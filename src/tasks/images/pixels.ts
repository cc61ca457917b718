/** Photos as inputs of a network, for training and scoring. */
import type { Random } from '../../base/random.js'
import type { AugmentPolicy } from '../../data/augment.js'
import { type PixelBatchOptions, pixelBatches } from '../../data/batches.js'
import type { ImageTransform } from '../../data/transform.js'
import type { ImageSample } from '../../data/types.js'
import type { SampleSource } from '../../techniques/fineTuning/network.js'

/** Decodes photos ahead of the training; in an epoch they are augmented by the policy, keyed by epoch and photo. */
export function photoSource(
  samples: readonly ImageSample[],
  transform: ImageTransform,
  random: Random,
  augment: AugmentPolicy | undefined,
  alter?: PixelBatchOptions['alter'],
): SampleSource {
  return {
    labels: Int32Array.from(samples, (sample) => sample.label),
    async *batches({ order, start, size, epoch, signal }) {
      const batches = pixelBatches({
        samples,
        order,
        start,
        transform,
        batchSize: size,
        // A photo that cannot be read would shift every later batch; they were all read before.
        strict: true,
        random,
        signal,
        ...(epoch === undefined ? {} : { epoch, augment }),
        ...(alter === undefined ? {} : { alter }),
      })
      for await (const { pixels, positions } of batches)
        yield { inputs: pixels, samples: Int32Array.from(positions, (at) => order[at]!) }
    },
  }
}

/** The same samples, some of them. */
export function subsetSource(source: SampleSource, chosen: Int32Array): SampleSource {
  return {
    labels: Int32Array.from(chosen, (i) => source.labels[i]!),
    async *batches(request) {
      const back = new Map(Array.from(chosen, (from, to) => [from, to] as const))
      const order = Int32Array.from(request.order, (i) => chosen[i]!)
      for await (const batch of source.batches({ ...request, order }))
        yield { inputs: batch.inputs, samples: Int32Array.from(batch.samples, (i) => back.get(i)!) }
    },
  }
}
