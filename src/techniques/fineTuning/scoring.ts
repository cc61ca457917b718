/** Logits of a whole set of samples, and what the loss and the accuracy on it are. */
import { argmaxRows, type Matrix, matrix, row } from '../../base/matrix.js'
import type { LoadedProgram } from '../../runtime/engine.js'
import type { Network, SampleSource } from './network.js'
import { inputTensor } from './steps.js'

/** (N, C) in the source's order; of the first `limit` samples alone where that is given. */
export async function logitsOf(
  program: LoadedProgram,
  network: Network,
  source: SampleSource,
  classes: number,
  batch: number,
  signal: AbortSignal,
  limit = source.labels.length,
): Promise<Matrix> {
  const n = Math.min(limit, source.labels.length)
  const logits = matrix(n, classes)
  const all = Int32Array.from({ length: n }, (_, i) => i)
  for await (const part of source.batches({ order: all, start: 0, size: batch, epoch: undefined, signal })) {
    const results = await program.run({ [network.input]: inputTensor(part, network, batch) })
    const values = results.logits?.data as Float32Array
    part.samples.forEach((position, i) => {
      logits.data.set(values.subarray(i * classes, (i + 1) * classes), position * classes)
    })
  }
  return logits
}

/** Mean cross-entropy in nats and share right. */
export function score(logits: Matrix, labels: Int32Array): { loss: number; accuracy: number } {
  let loss = 0
  let right = 0
  argmaxRows(logits).forEach((predicted, i) => {
    const z = row(logits, i)
    const max = z.reduce((a, b) => Math.max(a, b))
    loss += max + Math.log(z.reduce((sum, value) => sum + Math.exp(value - max), 0)) - z[labels[i]!]!
    if (predicted === labels[i]) right++
  })
  return { loss: loss / labels.length, accuracy: right / labels.length }
}
