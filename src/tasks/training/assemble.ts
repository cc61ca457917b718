/** The network that is saved: the backbone with its new head, as one ONNX graph from its inputs to `logits`. */
import { type Matrix, matrix } from '../../base/matrix.js'
import type { Model } from '../../graph/graph.js'
import { LOGITS } from '../../models/attach.js'
import { withTrained } from '../../models/edit.js'
import { withFloatWeights } from '../../passes/floatWeights.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import type { SampleSource } from '../../techniques/fineTuning/network.js'
import type { TrainingOutcome } from '../../techniques/fineTuning/trainer.js'
import type { Trunk } from './modality.js'
import { withHead } from './trunk.js'
import { trainedTensors } from './tuning.js'
import { outputCount, type Workspace } from './workspace.js'

/** The backbone with what was trained; logits divided by the temperature. */
export function tunedModel(trunk: Trunk, start: LinearHead, outcome: TrainingOutcome, temperature: number): Model {
  const parameters = new Set(outcome.parameters)
  const model = withFloatWeights(withHead(trunk, start), (value) => parameters.has(value))
  return withTrained(model, trainedTensors(outcome, temperature))
}

/** Logits (N, C) of a whole model on samples, as the saved model gives them. */
export async function assembledLogits(
  { engine, context, options, data }: Pick<Workspace, 'engine' | 'context' | 'options' | 'data'>,
  model: Model,
  source: SampleSource,
  onBatch: (count: number) => void = () => undefined,
): Promise<Matrix> {
  const classes = outputCount({ data })
  const n = source.length
  const logits = matrix(n, classes)
  const order = Int32Array.from({ length: n }, (_, i) => i)
  const program = await engine.load({ model, state: [] })
  try {
    const request = { order, start: 0, size: options.batch, epoch: undefined, signal: context.signal }
    for await (const { inputs, samples } of source.batches(request)) {
      const results = await program.run(inputs)
      const values = results[LOGITS]?.data as Float32Array
      for (const [k, i] of samples.entries())
        logits.data.set(values.subarray(k * classes, (k + 1) * classes), i * classes)
      onBatch(samples.length)
    }
    return logits
  } finally {
    await program.release()
  }
}
