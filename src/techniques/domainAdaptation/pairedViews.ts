/** Two views of each sample in one batch: what methods of consistency learn from. */
import { InternalError } from '../../base/errors.js'
import type { BatchRequest, SampleSource } from '../fineTuning/network.js'
import { commonOccurring } from '../fineTuning/usedRows.js'
import { stackRows } from './domainSource.js'

/**
 * A source whose batches for training (those with an epoch) hold size / 2 samples twice: first as `weak` gives them, then as `strong`
 * does. Of each batch's part of the order the first half is taken: an epoch visits half of the samples. Asked without an epoch it is
 * `weak` as it stands.
 *
 * @param weak lightly augmented or not at all
 * @param strong the same samples in the same order, heavily augmented
 */
export function pairedViews(weak: SampleSource, strong: SampleSource): SampleSource {
  if (weak.length !== strong.length)
    throw new InternalError(`views of ${weak.length} and of ${strong.length} samples are no pairs`)
  const { occurring: _, ...own } = weak
  const occurring = commonOccurring([weak, strong])
  return {
    ...own,
    ...(occurring === undefined ? {} : { occurring }),
    views: 'pairs',
    batches: (request) => (request.epoch === undefined ? weak.batches(request) : pairs(weak, strong, request)),
  }
}

async function* pairs(weak: SampleSource, strong: SampleSource, request: BatchRequest) {
  const { order, start, size } = request
  if (size % 2 !== 0 || start % size !== 0 || order.length % size !== 0)
    throw new InternalError(`pairs of views in batches of ${size}, from ${start} of ${order.length} on`)
  const half = size / 2
  const own = order.filter((_, at) => at % size < half)
  const asked = { ...request, order: own, start: start / 2, size: half }
  const others = strong.batches(asked)[Symbol.asyncIterator]()
  try {
    for await (const batch of weak.batches(asked)) {
      const { value: other, done } = await others.next()
      if (done || !batch.samples.every((sample, i) => other.samples[i] === sample))
        throw new InternalError('the two views are of different samples')
      yield {
        samples: Int32Array.from([...batch.samples, ...batch.samples]),
        inputs: Object.fromEntries(
          Object.entries(batch.inputs).map(([name, tensor]) => [name, stackRows([tensor, other.inputs[name]!], 0)]),
        ),
      }
    }
  } finally {
    await others.return?.(undefined)
  }
}
