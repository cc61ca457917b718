/** The network that is saved: the backbone with its new head, as one ONNX graph from `pixel_values` to `logits`. */
import { GraftError } from '../../base/errors.js'
import { type Matrix, matrix, row } from '../../base/matrix.js'
import type { Model } from '../../graph/graph.js'
import { LOGITS } from '../../models/attach.js'
import { freshName, renameValues, valueNames, withTrained } from '../../models/edit.js'
import { PIXELS } from '../../models/imageInput.js'
import { withFloatWeights } from '../../passes/floatWeights.js'
import { floats } from '../../runtime/types.js'
import type { FittedClassifier, LinearHead } from '../../techniques/featureExtraction/classifier.js'
import { appendHead } from '../../techniques/featureExtraction/headNodes.js'
import type { SampleSource } from '../../techniques/fineTuning/network.js'
import type { TrainingOutcome } from '../../techniques/fineTuning/trainer.js'
import { type Trunk, withHead } from './trunk.js'
import { trainedTensors } from './tuning.js'
import type { Workspace } from './workspace.js'

/** The frozen backbone with a fitted classifier. */
export function classifierModel(trunk: Trunk, classifier: FittedClassifier): Model {
  if (classifier.linear !== undefined) return withHead(trunk, classifier.linear)
  const taken = valueNames(trunk.body.model.graph)
  const renames = new Map(taken.has(LOGITS) ? [[LOGITS, freshName(taken, `backbone.${LOGITS}`)]] : [])
  const body = renameValues(trunk.body.model, renames)
  const graph = { ...body.graph, nodes: [...body.graph.nodes], initializers: new Map(body.graph.initializers) }
  const features = renames.get(trunk.body.output) ?? trunk.body.output
  appendHead(graph, classifier.nodes(features, LOGITS, 'graft.head.'))
  graph.outputs = [{ name: LOGITS, type: 'float32', shape: ['batch', classifier.classes] }]
  return { ...body, graph }
}

/** The backbone with what was trained; logits divided by the temperature. */
export function tunedModel(trunk: Trunk, start: LinearHead, outcome: TrainingOutcome, temperature: number): Model {
  const parameters = new Set(outcome.parameters)
  const model = withFloatWeights(withHead(trunk, start), (value) => parameters.has(value))
  return withTrained(model, trainedTensors(outcome, temperature))
}

/** Logits (N, C) of a whole model on photos, as the saved model gives them. */
export async function assembledLogits(
  { engine, trunk, context, options, data }: Pick<Workspace, 'engine' | 'trunk' | 'context' | 'options' | 'data'>,
  model: Model,
  source: SampleSource,
  onBatch: (count: number) => void = () => undefined,
): Promise<Matrix> {
  const { height, width } = trunk.transform
  const classes = data.dataset.classes.length
  const n = source.labels.length
  const logits = matrix(n, classes)
  const order = Int32Array.from({ length: n }, (_, i) => i)
  const program = await engine.load({ model, state: [] })
  try {
    const request = { order, start: 0, size: options.batch, epoch: undefined, signal: context.signal }
    for await (const { inputs, samples } of source.batches(request)) {
      const results = await program.run({ [PIXELS]: floats([samples.length, 3, height, width], inputs) })
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

/** Largest difference allowed between what was trained and what was written back, as a part of the largest logit. */
const TOLERANCE = 2e-3

/** @throws GraftError where the assembled model does not say what the trained one said */
export function checkEqual(assembled: Matrix, trained: Matrix): void {
  let largest = 1
  let difference = 0
  for (let i = 0; i < assembled.rows; i++)
    row(trained, i).forEach((value, c) => {
      largest = Math.max(largest, Math.abs(value))
      difference = Math.max(difference, Math.abs(value - row(assembled, i)[c]!))
    })
  if (!(difference <= TOLERANCE * largest))
    throw new GraftError(
      `The model to be saved does not give the logits that were trained: they differ by ${difference.toPrecision(3)}, the largest being ${largest.toPrecision(3)}.`,
      { remedy: 'Nothing was saved. Please report this with the backbone that was used.' },
    )
}
