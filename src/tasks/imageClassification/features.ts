/** The frozen part of a network, run once a photo, its results kept on disk. */
import { sha256Of } from '#platform'
import { GraftError } from '../../base/errors.js'
import { type Matrix, matrix } from '../../base/matrix.js'
import { pixelBatches } from '../../data/batches.js'
import type { FeatureCache } from '../../data/featureCache.js'
import type { ImageTransform } from '../../data/transform.js'
import type { ImageSample } from '../../data/types.js'
import type { Model } from '../../graph/graph.js'
import type { Engine } from '../../runtime/engine.js'
import { floats } from '../../runtime/types.js'

export interface Extractor {
  /** What decides the values: network, place, preprocessing, threads. */
  readonly key: string
  /**
   * Features of every photo, (N, D).
   *
   * @param contents SHA-256 of each photo
   */
  extract(samples: readonly ImageSample[], contents: readonly string[], options: ExtractOptions): Promise<Matrix>
  release(): Promise<void>
}

export interface ExtractOptions {
  readonly signal: AbortSignal
  /** So many more are done. */
  readonly onProgress?: (count: number) => void
}

/** Photos that go through the network together. */
const BATCH = 16

/**
 * @param model from `pixel_values` to `output`, whose values are flattened to (N, D)
 * @param source names the network: the hash of its file
 */
export async function openExtractor(
  engine: Engine,
  model: Model,
  output: string,
  source: string,
  transform: ImageTransform,
  cache: FeatureCache | undefined,
): Promise<Extractor> {
  const program = await engine.load({ model, state: [] })
  // The last digits depend on the number of threads.
  const key = sha256Of(['features 1\n', source, '\n', output, '\n', transform.key, '\n', String(engine.threads)])
  return {
    key,
    async extract(samples, contents, { signal, onProgress = () => undefined }) {
      let all: Matrix | undefined
      const place = (at: number, values: Float32Array) => {
        all ??= matrix(samples.length, values.length)
        if (values.length !== all.columns)
          throw new GraftError(
            `The features of ${samples[at]!.id} are ${values.length} numbers, those of others ${all.columns}.`,
          )
        all.data.set(values, at * values.length)
      }
      // Photos go through in fixed groups, whatever the cache holds: a group with a gap is computed as a whole, so that no
      // value depends on which of its neighbours were there.
      let waiting: number[] = []
      const flush = async () => {
        const chosen = waiting
        waiting = []
        const photos = chosen.map((i) => samples[i]!)
        for await (const batch of pixelBatches({
          samples: photos,
          transform,
          batchSize: BATCH,
          strict: true,
          signal,
        })) {
          const dims = [batch.count, 3, batch.height, batch.width]
          const results = await program.run({ pixel_values: floats(dims, batch.pixels) })
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
      }
      for (let start = 0; start < samples.length; start += BATCH) {
        signal.throwIfAborted()
        const group = Array.from({ length: Math.min(BATCH, samples.length - start) }, (_, k) => start + k)
        const found = cache === undefined ? [] : await Promise.all(group.map((i) => cache.get(key, contents[i]!)))
        if (found.length > 0 && found.every((values) => values !== undefined)) {
          found.forEach((values, k) => {
            place(start + k, values as Float32Array)
          })
          onProgress(group.length)
          continue
        }
        waiting.push(...group)
        // Many groups at a time keep the decoding ahead of the network.
        if (waiting.length >= 64 * BATCH) await flush()
      }
      if (waiting.length > 0) await flush()
      await cache?.flush()
      return all ?? matrix(0, 0)
    },
    release: () => program.release(),
  }
}
