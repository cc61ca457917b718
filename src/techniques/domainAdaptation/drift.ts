/** How much the predictions on the target still change from epoch to epoch: what a collapse is seen by. */
import { argmaxRows } from '../../base/matrix.js'
import { floats } from '../../runtime/types.js'
import type { Kept, TuningMethod } from '../fineTuning/method.js'

const NAME = 'prediction drift'

/** Target samples that are looked at, at the most, spread evenly over all of them. */
const WATCHED = 512

/** Watches a training without changing it: asks for predictions at the start of each epoch. What it saw is in the checkpoints. */
export function predictionDrift(): TuningMethod {
  return {
    name: NAME,
    options: {},
    prepare: () => ({
      name: NAME,
      async epoch({ train, outputs, kept }) {
        // Without domains the samples are the target.
        const target = train.domains === undefined ? train : train.domains.find(({ labelled }) => !labelled)?.source
        if (target === undefined) return {}
        const samples = watchedSamples(target.length)
        const last = argmaxRows((await outputs(target, samples)).logits)
        const shares = sharesOf(kept, last)
        return { last: floats([last.length], Float32Array.from(last)), shares: floats([shares.length], shares) }
      },
    }),
  }
}

/**
 * By epoch: the share of the predictions that it changed.
 *
 * @param kept what the training kept last, by method
 * @param predictions of all samples of the target, after the last epoch
 */
export function driftOf(kept: Readonly<Record<string, Kept>>, predictions: Int32Array): number[] {
  const last = Int32Array.from(watchedSamples(predictions.length), (i) => predictions[i]!)
  return Array.from(sharesOf(kept[NAME] ?? {}, last))
}

const watchedSamples = (n: number): Int32Array => {
  const count = Math.min(n, WATCHED)
  return Int32Array.from({ length: count }, (_, i) => Math.floor((i * n) / count))
}

/** The shares so far, and that by which the predictions have changed since the last look. */
function sharesOf({ last, shares }: Kept, now: Int32Array): Float32Array {
  if (last === undefined || shares === undefined) return new Float32Array(0)
  const changed = now.reduce((count, own, i) => count + (own === last.data[i] ? 0 : 1), 0)
  return Float32Array.of(...(shares.data as Float32Array), changed / now.length)
}
