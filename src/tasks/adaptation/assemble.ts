/** The network that is saved: the backbone with what a candidate is, as one ONNX graph from its inputs to `logits`. */
import { InternalError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { Model } from '../../graph/graph.js'
import type { Tensor } from '../../graph/tensor.js'
import { LOGITS } from '../../models/attach.js'
import { withTrained } from '../../models/edit.js'
import { withFloatWeights } from '../../passes/floatWeights.js'
import type { Engine } from '../../runtime/engine.js'
import type { HostTensor } from '../../runtime/types.js'
import { classifierModel } from '../../techniques/featureExtraction/assemble.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import { foldBack } from '../../techniques/featureExtraction/standardise.js'
import { logitsOf } from '../../techniques/fineTuning/scoring.js'
import type { Trunk } from '../training/modality.js'
import { withHead } from '../training/trunk.js'
import { SOURCE_ONLY } from './baselines.js'
import type { AdaptationCandidate, Kept } from './candidate.js'
import { type AdaptedHead, adaptedNodes, outputsOf } from './head.js'
import type { Domain } from './sources.js'

/** The backbone with the candidate's head, or with its own trained weights. @param before every candidate */
export function adaptedModel(trunk: Trunk, kept: Kept, before: readonly AdaptationCandidate[]): Model {
  if (kept.kind === 'head') return headModel(trunk, kept.head)
  const start = sourceHead(before)
  const names = new Set(Object.keys(kept.weights))
  const model = withFloatWeights(withHead(trunk, start), (value) => names.has(value))
  return withTrained(model, tensorsOf(kept.weights))
}

/** The head that the source alone gave, on features as they come from the backbone. */
export function sourceHead(candidates: readonly AdaptationCandidate[]): LinearHead {
  const found = candidates.find(({ name }) => name === SOURCE_ONLY)?.kept
  const linear = found?.kind === 'head' ? asLinear(found.head) : undefined
  if (linear === undefined) throw new InternalError('there is no source-only candidate with one layer')
  return linear
}

function headModel({ backbone, point, body }: Trunk, head: AdaptedHead): Model {
  return classifierModel(backbone.model, point, body, {
    linear: asLinear(head),
    outputs: outputsOf(head),
    nodes: (features, output, prefix) => adaptedNodes(head, features, output, prefix),
  })
}

/** One layer takes the affine step into itself: W diag(scale), b - W diag(scale) mean. */
function asLinear({ affine, layers }: AdaptedHead): LinearHead | undefined {
  const [only, second] = layers
  if (only === undefined || second !== undefined) return undefined
  return affine === undefined ? only : foldBack(only, affine)
}

function tensorsOf(weights: Readonly<Record<string, HostTensor>>): Map<string, Tensor> {
  return new Map(
    Object.entries(weights).map(([name, { dims, data }]): [string, Tensor] => [
      name,
      { type: 'float32', dims, data: data as Float32Array },
    ]),
  )
}

/** Samples that go through the whole network together. */
const BATCH = 16

/** Logits of a whole network on samples of a domain, as the saved model gives them. */
export async function networkLogits(
  engine: Engine,
  model: Model,
  { feed }: Domain,
  positions: Int32Array,
  random: Random,
  signal: AbortSignal,
): Promise<Matrix> {
  const program = await engine.load({ model, state: [] })
  try {
    return await logitsOf({
      source: feed.source(positions, random),
      size: BATCH,
      signal,
      run: async ({ inputs }) => (await program.run(inputs))[LOGITS] as HostTensor,
    })
  } finally {
    await program.release()
  }
}
