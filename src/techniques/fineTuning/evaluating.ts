/** What a network says with any weights. */
import { type Matrix, matrix } from '../../base/matrix.js'
import type { AnyTargets } from '../../data/targets.js'
import type { Engine } from '../../runtime/engine.js'
import type { HostTensor, StateBinding } from '../../runtime/types.js'
import type { Evaluate, Outputs, Weights } from './method.js'
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

/** Output of a program; the prefix keeps it apart from a network's values. */
const FEATURES = 'graft.features'

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

/**
 * Logits, and another value of the network, of samples as they are, in the order that they are asked for in.
 *
 * @param state where the parameters lie that are not the network's own
 * @param features (N, D); without it they have no columns
 */
export async function outputsOf(
  { engine, network, batch: size, signal }: EvaluatingOptions,
  state: readonly StateBinding[],
  features: string | undefined,
  source: SampleSource<AnyTargets>,
  samples: Int32Array = Int32Array.from({ length: source.length }, (_, i) => i),
): Promise<Outputs> {
  const more = features === undefined ? {} : { [FEATURES]: features }
  const programs = new ShapedPrograms(engine, network, (shapes) => inferenceWith(network, size, shapes, state, more))
  // A source may arrange samples as suits it; each may be asked for more than once.
  const places = new Map<number, number[]>()
  samples.forEach((sample, i) => {
    places.set(sample, [...(places.get(sample) ?? []), i])
  })
  const found = { logits: matrix(samples.length, 0), features: matrix(samples.length, 0) }
  const order = Int32Array.from(places.keys())
  try {
    for await (const batch of source.batches({ order, start: 0, size, epoch: undefined, signal })) {
      const results = await programs.run(batch, inputTensors(batch, network, size))
      for (const name of ['logits', 'features'] as const) {
        const value = results[name === 'logits' ? name : FEATURES]
        if (value === undefined) continue
        const columns = value.data.length / size
        if (found[name].columns !== columns) found[name] = matrix(samples.length, columns)
        batch.samples.forEach((sample, i) => {
          const row = (value.data as Float32Array).subarray(i * columns, (i + 1) * columns)
          for (const place of places.get(sample) ?? []) found[name].data.set(row, place * columns)
        })
      }
    }
    return found
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
