/** The network that is saved: the backbone with its new head, as one ONNX graph from its inputs to `logits`. */
import type { Matrix } from '../../base/matrix.js'
import type { Model } from '../../graph/graph.js'
import type { AppliedAdapter } from '../../models/adapters/index.js'
import { LOGITS } from '../../models/attach.js'
import { withTrained } from '../../models/edit.js'
import { withFloatWeights } from '../../passes/floatWeights.js'
import type { HostTensor } from '../../runtime/types.js'
import { classifierModel } from '../../techniques/featureExtraction/assemble.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import type { FittedHead } from '../../techniques/featureExtraction/head.js'
import type { SampleSource } from '../../techniques/fineTuning/network.js'
import { logitsOf } from '../../techniques/fineTuning/scoring.js'
import type { TrainingOutcome } from '../../techniques/fineTuning/trainer.js'
import type { Trunk } from './modality.js'
import { withHead } from './trunk.js'
import { trainedTensors } from './tuning.js'
import type { Workspace } from './workspace.js'

/** The backbone with what was trained; logits divided by the temperature. */
export function tunedModel(
  trunk: Trunk,
  start: LinearHead,
  outcome: TrainingOutcome,
  temperature: number,
  adapter?: AppliedAdapter,
): Model {
  if (adapter !== undefined) return adapter.merge(trainedTensors(outcome, temperature))
  const parameters = new Set(outcome.parameters)
  const model = withFloatWeights(withHead(trunk, start), (value) => parameters.has(value))
  return withTrained(model, trainedTensors(outcome, temperature))
}

/** The backbone as it is with a head on its features. */
export function headModel(trunk: Trunk, head: FittedHead): Model {
  return classifierModel(trunk.backbone.model, trunk.point, trunk.body, head)
}

type Running = Pick<Workspace, 'engine' | 'context' | 'options'>

/** Logits of a whole model on samples, as the saved model gives them: a row a sample, or a word. */
export async function assembledLogits(
  { engine, context, options }: Running,
  model: Model,
  source: SampleSource,
  onBatch?: (count: number) => void,
): Promise<Matrix> {
  const program = await engine.load({ model, state: [] })
  try {
    return await logitsOf({
      source,
      size: options.batch,
      signal: context.signal,
      run: async ({ inputs }) => (await program.run(inputs))[LOGITS] as HostTensor,
      ...(onBatch === undefined ? {} : { onBatch }),
    })
  } finally {
    await program.release()
  }
}

/** The same of the samples at some positions. */
export function modelLogits(
  work: Running & Pick<Workspace, 'feed' | 'random'>,
  model: Model,
  positions: Int32Array,
  onBatch?: (count: number) => void,
): Promise<Matrix> {
  return assembledLogits(work, model, work.feed.source(positions, work.random), onBatch)
}
