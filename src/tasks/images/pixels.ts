/** Photos as inputs of a network, for training and scoring. */
import type { Random } from '../../base/random.js'
import type { AugmentPolicy } from '../../data/augment.js'
import { type PixelBatchOptions, pixelBatches } from '../../data/batches.js'
import type { ImageTransform } from '../../data/transform.js'
import type { ImageSample } from '../../data/types.js'
import { PIXELS } from '../../models/imageInput.js'
import { floats } from '../../runtime/types.js'
import type { SampleSource } from '../../techniques/fineTuning/network.js'

/** Decodes photos ahead of the training; in an epoch they are augmented by the policy, keyed by epoch and photo. */
export function photoSource(
  samples: readonly ImageSample[],
  classes: readonly string[],
  transform: ImageTransform,
  random: Random,
  augment: AugmentPolicy | undefined,
  alter?: PixelBatchOptions['alter'],
): SampleSource {
  return {
    length: samples.length,
    targets: { kind: 'single-label', classes, labels: Int32Array.from(samples, (sample) => sample.label) },
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
      for await (const { pixels, positions, count, height, width } of batches)
        yield {
          inputs: { [PIXELS]: floats([count, 3, height, width], pixels) },
          samples: Int32Array.from(positions, (at) => order[at]!),
        }
    },
  }
}
