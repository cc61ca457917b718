/** Logits of a whole set of samples, and what the loss and the accuracy on it are. */
import { argmaxRows, logSumExp, type Matrix, matrix, row } from '../../base/matrix.js'
import { type AnyTargets, outputsOf } from '../../data/targets.js'
import type { HostTensor } from '../../runtime/types.js'
import type { Batch, SampleSource } from './network.js'

export interface LogitsRequest {
  readonly source: SampleSource<AnyTargets>
  /** Samples that are asked for together. */
  readonly size: number
  readonly signal: AbortSignal
  /** The first so many samples alone. @default all */
  readonly limit?: number | undefined
  /** The logits of a batch: (n or more, C), or (n or more, T, C). */
  readonly run: (batch: Batch) => Promise<HostTensor>
  readonly onBatch?: (samples: number) => void
}

/**
 * (N, C) in the source's order. Where every word has a class: one row for each word of each sample in turn, which is NaN where
 * the word was cut off.
 */
export async function logitsOf({ source, size, signal, limit, run, onBatch }: LogitsRequest): Promise<Matrix> {
  const n = Math.min(limit ?? source.length, source.length)
  const classes = outputsOf(source.targets)
  const rows = rowStarts(source.targets, n)
  const logits = matrix(rows[n]!, classes)
  if (source.targets.kind === 'token-labels') logits.data.fill(Number.NaN)
  const order = Int32Array.from({ length: n }, (_, i) => i)
  for await (const part of source.batches({ order, start: 0, size, epoch: undefined, signal })) {
    const { data, dims } = await run(part)
    const values = data as Float32Array
    const each = dims.slice(1).reduce((product, d) => product * d, 1)
    const words = source.targets.kind === 'token-labels' ? part.words : undefined
    part.samples.forEach((sample, i) => {
      const own = values.subarray(i * each, (i + 1) * each)
      if (words === undefined) logits.data.set(own, rows[sample]! * classes)
      else
        for (let at = 0; at < each / classes; at++) {
          const word = words[(i * each) / classes + at]!
          if (word >= 0 && rows[sample]! + word < rows[sample + 1]!)
            logits.data.set(own.subarray(at * classes, (at + 1) * classes), (rows[sample]! + word) * classes)
        }
    })
    onBatch?.(part.samples.length)
  }
  return logits
}

/** Where each of the first n samples' rows begin, and where the last one's end: a row a sample, or one for each of its words. */
export function rowStarts(targets: AnyTargets, n: number): Int32Array {
  const starts = new Int32Array(n + 1)
  for (let i = 0; i < n; i++)
    starts[i + 1] = starts[i]! + (targets.kind === 'token-labels' ? targets.labels[i]!.length : 1)
  return starts
}

/**
 * Mean cross-entropy in nats and share right, of the samples whose class is known (not -1).
 *
 * @param possible (N, C): samples of unknown class that may have some of them (1) count in the loss, by the probability of all these
 */
export function score(logits: Matrix, labels: Int32Array, possible?: Uint8Array): { loss: number; accuracy: number } {
  const classes = logits.columns
  let loss = 0
  let right = 0
  let known = 0
  let told = 0
  argmaxRows(logits).forEach((predicted, i) => {
    const label = labels[i]!
    const z = row(logits, i)
    if (label >= 0) {
      known++
      loss += logSumExp(z) - z[label]!
      if (predicted === label) right++
    } else if (possible !== undefined) {
      const left = z.filter((_, c) => possible[i * classes + c] === 1)
      if (left.length === 0) return
      told++
      loss += logSumExp(z) - logSumExp(left)
    }
  })
  return { loss: loss / (known + told), accuracy: right / known }
}
