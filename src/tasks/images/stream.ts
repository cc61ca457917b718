/** Photos as a stream that a model adapts to. */
import { type GraftError, UsageError } from '../../base/errors.js'
import { pixelBatches } from '../../data/batches.js'
import type { ImageTransform } from '../../data/transform.js'
import type { ImageSample } from '../../data/types.js'
import { PIXELS } from '../../models/imageInput.js'
import { floats } from '../../runtime/types.js'
import type { StreamReader } from '../adaptedStream.js'

export function photoReader(transform: ImageTransform): StreamReader {
  const { height, width } = transform
  return {
    inputs: [{ name: PIXELS, type: 'float32', sample: [3, height, width] }],
    idOf: (sample, index) => (typeof sample === 'string' ? sample : `#${index}`),
    async read(given, ids, signal) {
      const samples = given.map((source, i): ImageSample => {
        if (typeof source !== 'string' && !(source instanceof Uint8Array))
          throw new UsageError('This model reads photos, and was given a text.', {
            remedy: "Give a photo's path or its bytes.",
          })
        return { id: ids[i]!, source, label: -1 }
      })
      const errors = new Map<number, GraftError>()
      const onSkip = (sample: ImageSample, error: GraftError) => errors.set(samples.indexOf(sample), error)
      const batches = pixelBatches({ samples, transform, batchSize: samples.length, prefetch: 1, onSkip, signal })
      for await (const { pixels, count, positions } of batches)
        return {
          batch: { inputs: { [PIXELS]: floats([count, 3, height, width], pixels) }, samples: positions },
          errors,
        }
      return { batch: undefined, errors }
    },
  }
}
