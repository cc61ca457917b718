/** What a whole network says of samples, and the features that it says it by. */
import { type Matrix, matrix } from '../../base/matrix.js'
import type { Model } from '../../graph/graph.js'
import { LOGITS } from '../../models/attach.js'
import type { Engine } from '../../runtime/engine.js'
import type { SampleSource } from '../../techniques/fineTuning/network.js'
import { withFeatureOutput } from './file.js'

export interface NetworkOutputs {
  /** (N, C) */
  readonly logits: Matrix
  /** (N, D) */
  readonly features: Matrix
}

export interface Asked {
  readonly model: Model
  /** The value that is the features, and its width D. */
  readonly features: string
  readonly width: number
  /** C */
  readonly outputs: number
}

/** Samples that go through the network together. */
const BATCH = 16

/** In the order of the source. */
export async function networkOutputs(
  engine: Engine,
  { model, features, width, outputs }: Asked,
  source: SampleSource,
  signal: AbortSignal,
  onBatch: (samples: number) => void = () => undefined,
): Promise<NetworkOutputs> {
  const program = await engine.load({ model: withFeatureOutput(model, features, width), state: [] })
  const found = { logits: matrix(source.length, outputs), features: matrix(source.length, width) }
  try {
    const order = Int32Array.from({ length: source.length }, (_, i) => i)
    for await (const batch of source.batches({ order, start: 0, size: BATCH, epoch: undefined, signal })) {
      const results = await program.run(batch.inputs)
      for (const [name, to] of [
        [LOGITS, found.logits],
        [features, found.features],
      ] as const) {
        const values = results[name]?.data as Float32Array
        batch.samples.forEach((sample, i) => {
          to.data.set(values.subarray(i * to.columns, (i + 1) * to.columns), sample * to.columns)
        })
      }
      onBatch(batch.samples.length)
    }
    return found
  } finally {
    await program.release()
  }
}
