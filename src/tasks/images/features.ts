/** The frozen part of a network, run once a photo, its results kept on disk. */
import { sha256Of } from '#platform'
import { GraftError } from '../../base/errors.js'
import { type Matrix, matrix } from '../../base/matrix.js'
import { pixelBatches } from '../../data/batches.js'
import { eachAtOnce } from '../../data/concurrent.js'
import { type Targets, takeTargets } from '../../data/targets.js'
import type { ImageTransform } from '../../data/transform.js'
import type { ImageSample, PixelBatch } from '../../data/types.js'
import { openLanes } from '../../runtime/lanes.js'
import { floats } from '../../runtime/types.js'
import { matrixSource } from '../../techniques/fineTuning/matrixSource.js'
import type { Extractor, FrozenPart } from '../training/modality.js'
import { matrixTable } from '../training/workspace.js'

/** The photos of a data set. */
interface ExtractedData {
  readonly samples: readonly ImageSample[]
  /** SHA-256 of each photo. */
  readonly contents: readonly string[]
  readonly targets: Targets
}

/** Photos that go through the network together. Few, so that what passes between two layers stays near the processor. */
const BATCH = 8

export async function openExtractor(
  { samples: all, contents: hashes, targets }: ExtractedData,
  transform: ImageTransform,
  { model, output, source, threads, cache, signal }: FrozenPart,
): Promise<Extractor> {
  const lanes = await openLanes({ model, state: [] }, threads, signal)
  // The last digits depend on the number of threads.
  const key = sha256Of(['features 2\n', source, '\n', output, '\n', transform.key, '\n', String(lanes.threads)])
  const extract = async (positions: Int32Array, onProgress: (count: number) => void): Promise<Matrix> => {
    const samples = Array.from(positions, (i) => all[i]!)
    const contents = Array.from(positions, (i) => hashes[i]!)
    let found: Matrix | undefined
    const place = (at: number, values: Float32Array) => {
      found ??= matrix(samples.length, values.length)
      if (values.length !== found.columns)
        throw new GraftError(
          `The features of ${samples[at]!.id} are ${values.length} numbers, those of others ${found.columns}.`,
        )
      found.data.set(values, at * values.length)
    }
    // Photos go through in fixed groups, whatever the cache holds: a group with a gap is computed as a whole, so that no
    // value depends on which of its neighbours were there.
    let waiting: number[] = []
    const flush = async () => {
      const chosen = waiting
      waiting = []
      const photos = chosen.map((i) => samples[i]!)
      const compute = async (batch: PixelBatch) => {
        const dims = [batch.count, 3, batch.height, batch.width]
        const results = await lanes.run({ pixel_values: floats(dims, batch.pixels) })
        const values = results[output]?.data as Float32Array
        const width = values.length / batch.count
        for (const [k, position] of batch.positions.entries()) {
          const i = chosen[position]!
          const own = values.subarray(k * width, (k + 1) * width)
          place(i, own)
          if (cache !== undefined && contents[i] !== '') await cache.put(key, contents[i]!, own)
        }
        onProgress(batch.count)
      }
      const batches = pixelBatches({
        samples: photos,
        transform,
        batchSize: BATCH,
        prefetch: lanes.count + 1,
        strict: true,
        signal,
      })
      await eachAtOnce(batches, lanes.count, compute)
    }
    for (let start = 0; start < samples.length; start += BATCH) {
      signal.throwIfAborted()
      const group = Array.from({ length: Math.min(BATCH, samples.length - start) }, (_, k) => start + k)
      const kept = cache === undefined ? [] : await Promise.all(group.map((i) => cache.get(key, contents[i]!)))
      if (kept.length > 0 && kept.every((values) => values !== undefined)) {
        kept.forEach((values, k) => {
          place(start + k, values as Float32Array)
        })
        onProgress(group.length)
        continue
      }
      waiting.push(...group)
      // Many groups at a time keep the decoding ahead of the network.
      if (waiting.length >= 128 * BATCH) await flush()
    }
    if (waiting.length > 0) await flush()
    await cache?.flush()
    return found ?? matrix(0, 0)
  }
  return {
    async features(positions, onProgress = () => undefined) {
      const features = await extract(positions, onProgress)
      return matrixTable(features, positions, (wanted) => takeTargets(targets, wanted))
    },
    async source(inputs, positions, onProgress = () => undefined) {
      return matrixSource(await extract(positions, onProgress), takeTargets(targets, positions), inputs[0]!)
    },
    release: () => lanes.close(),
  }
}
