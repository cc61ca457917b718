/** What a network says with any weights. */
import type { Matrix } from '../../base/matrix.js'
import type { AnyTargets } from '../../data/targets.js'
import type { Engine } from '../../runtime/engine.js'
import type { HostTensor } from '../../runtime/types.js'
import type { Evaluate, Weights } from './method.js'
import type { Batch, Network, SampleSource } from './network.js'
import type { Objective } from './objective.js'
import { inferenceWith } from './programs.js'
import { logitsOf } from './scoring.js'
import { inputTensors, ShapedPrograms } from './shaped.js'

export interface EvaluatingOptions {
  readonly engine: Engine
  readonly network: Network
  /** Samples that go through the network together. */
  readonly batch: number
  readonly signal: AbortSignal
}

/** The logits of these weights (by parameter; the others are the network's own) on the samples, of the first `limit` alone. */
export async function logitsWith(
  { engine, network, batch: size, signal }: EvaluatingOptions,
  weights: Weights,
  source: SampleSource<AnyTargets>,
  limit?: number,
): Promise<Matrix> {
  // Under names of their own: a training's state stays as it is.
  const state = Object.keys(weights).map((input) => ({ name: `graft.candidate/${input}`, input }))
  await engine.setState(Object.fromEntries(state.map(({ name, input }) => [name, weights[input] as HostTensor])))
  const programs = new ShapedPrograms(engine, network, (shapes) => inferenceWith(network, size, shapes, state))
  const run = async (batch: Batch) =>
    (await programs.run(batch, inputTensors(batch, network, size))).logits as HostTensor
  try {
    return await logitsOf({ source, size, signal, limit, run })
  } finally {
    await programs.release()
  }
}

/** Judges weights by these samples: for soups and interpolations. */
export function evaluateOn(
  options: EvaluatingOptions,
  objective: Objective,
  source: SampleSource<AnyTargets>,
): Evaluate {
  return async (weights) => {
    const logits = await logitsWith(options, weights, source)
    return { logits, score: objective.score(logits, source.targets) }
  }
}
