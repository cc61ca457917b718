/** The training program of pairs: every sample of a step goes through the body once, the loss is on their cosines. */
import { cosineSimilarityLoss } from '../../losses/cosineSimilarity.js'
import { adamW } from '../../optim/optimizer.js'
import { compileTraining, type TrainingProgram } from '../../optim/trainingProgram.js'
import { specialise } from '../../passes/specialise.js'
import { batchShapes, largestShapes, type Network, type SampleShapes } from '../fineTuning/network.js'

/** Names of the step's feeds: (N, N) each, and the rate. */
export const SIMILARITIES = 'graft.similarities'
export const WEIGHTS = 'graft.weights'
export const RATE = 'lr.body'

export interface PairProgramOptions {
  /** N, samples a step. */
  readonly rows: number
  readonly weightDecay: number
  readonly clip: number
}

/** The step with the layers from `first` on trainable, on samples of these shapes. What the loss does not depend on stays. */
export function pairProgram(
  network: Network,
  first: number,
  { rows, weightDecay, clip }: PairProgramOptions,
  shapes: SampleShapes = largestShapes(network),
): TrainingProgram {
  const features = network.features as string
  const trained = new Set(network.layers.slice(first).flat())
  const forward = specialise(network.model, {
    shapes: batchShapes(network, shapes, rows),
    outputs: [features],
    batchNorm: { kind: 'fold' },
  })
  return compileTraining({
    forward,
    loss(g) {
      const pairwise = (name: string) => g.input(name, { type: 'float32', shape: [rows, rows] })
      const loss = cosineSimilarityLoss(g, forward.value(features), pairwise(SIMILARITIES), pairwise(WEIGHTS))
      return { loss }
    },
    group: (parameter) =>
      trained.has(parameter)
        ? { name: 'body', decays: (forward.builder.parameters().get(parameter)?.dims.length ?? 0) > 1 }
        : undefined,
    optimizer: adamW({ weightDecay }),
    ...(clip > 0 ? { clipNorm: clip } : {}),
  })
}
