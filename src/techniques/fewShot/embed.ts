/** Features of samples by a network whose weights are in the engine. */
import { InternalError } from '../../base/errors.js'
import { type Matrix, matrix } from '../../base/matrix.js'
import { specialise } from '../../passes/specialise.js'
import type { Engine } from '../../runtime/engine.js'
import type { Program } from '../../runtime/types.js'
import { batchShapes, type Network, type SampleShapes, type SampleSource } from '../fineTuning/network.js'
import { inputTensors, ShapedPrograms } from '../fineTuning/shaped.js'
import type { RunContext } from '../run/run.js'

/** Samples that go through the network together. */
const BATCH = 16
const FEATURES = 'graft.features'

export interface EmbedOptions {
  readonly engine: Engine
  readonly network: Network
  readonly source: SampleSource
  /** Parameters whose values are taken from the engine's state. */
  readonly weights: readonly string[]
  readonly context: Pick<RunContext, 'signal'>
}

/** (N, D) in the source's order. */
export async function embed({ engine, network, source, weights, context }: EmbedOptions): Promise<Matrix> {
  const programs = new ShapedPrograms(engine, network, (shapes) => featureProgram(network, weights, shapes))
  const order = Int32Array.from({ length: source.length }, (_, i) => i)
  let features: Matrix | undefined
  try {
    for await (const batch of source.batches({
      order,
      start: 0,
      size: BATCH,
      epoch: undefined,
      signal: context.signal,
    })) {
      const found = (await programs.run(batch, inputTensors(batch, network, BATCH)))[FEATURES]
      const width = found?.dims[1]
      if (found === undefined || width === undefined) throw new InternalError('the features are not (N, D)')
      features ??= matrix(source.length, width)
      const data = found.data as Float32Array
      for (const [at, sample] of batch.samples.entries())
        features.data.set(data.subarray(at * width, (at + 1) * width), sample * width)
    }
  } finally {
    await programs.release()
  }
  if (features === undefined) throw new InternalError('there is no sample to embed')
  return features
}

function featureProgram(network: Network, weights: readonly string[], shapes: SampleShapes): Program {
  const features = network.features as string
  const forward = specialise(network.model, {
    shapes: batchShapes(network, shapes, BATCH),
    outputs: [features],
    batchNorm: { kind: 'fold' },
  })
  const g = forward.builder
  for (const name of weights) g.parameterToInput(name)
  const state = weights.map((name) => ({ name, input: name }))
  g.output(FEATURES, forward.value(features))
  return { model: g.model(), state }
}
