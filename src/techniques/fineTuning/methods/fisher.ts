/** How much each weight matters for what a network has learnt: the diagonal of its Fisher information. */

import { differentiate } from '../../../autodiff/differentiate.js'
import { UsageError } from '../../../base/errors.js'
import type { Random } from '../../../base/random.js'
import { isKnown, type Targets } from '../../../data/targets.js'
import { specialise } from '../../../passes/specialise.js'
import type { Engine } from '../../../runtime/engine.js'
import { floats, type HostTensor, type Program } from '../../../runtime/types.js'
import { TARGETS, WEIGHTS } from '../lossContext.js'
import type { Weights } from '../method.js'
import { type Batch, batchShapes, type Network, type SampleShapes, type SampleSource } from '../network.js'
import type { Objective } from '../objective.js'
import { objectiveFor } from '../objectives/index.js'
import { inputTensors, ShapedPrograms } from '../shaped.js'

export interface FisherOptions {
  readonly engine: Engine
  readonly network: Network
  readonly source: SampleSource
  /** Samples whose gradients are taken, drawn at random. @default 200 */
  readonly samples?: number
  /**
   * Whose labels the gradients are of: those of the data (the empirical Fisher information, which most programs use), or ones
   * drawn from what the network itself predicts (the Fisher information proper; one class a sample). @default 'data'
   */
  readonly labels?: 'data' | 'model'
  readonly random: Random
  readonly signal: AbortSignal
  readonly onProgress?: (done: number) => void
}

const PLAIN = { labelSmoothing: 0, classWeights: false, balancedSampling: false }

/**
 * F_i = mean over samples of (d log p(y | x) / d w_i)^2, one backward pass a sample, for every parameter of the network's layers.
 */
export async function fisherInformation(options: FisherOptions): Promise<Weights> {
  const { engine, network, source, random, signal, labels = 'data' } = options
  const { targets } = source
  const sampled = labels === 'model'
  if (sampled && targets.kind !== 'single-label' && targets.kind !== 'ordinal')
    throw new UsageError(
      `Labels are drawn from the network where samples have one class each; these are ${targets.kind}.`,
      {
        remedy: "Use labels: 'data'.",
      },
    )
  const objective = objectiveFor(targets, PLAIN)
  const order = random
    .fork('samples')
    .permutation(source.length)
    .filter((i) => sampled || isKnown(targets, i))
    .slice(0, options.samples ?? 200)
  const gradients = new ShapedPrograms(engine, network, (shapes) => squaresProgram(network, objective, shapes))
  const answers = new ShapedPrograms(engine, network, (shapes) => answerProgram(network, shapes))
  const sums = squareSums(network)
  try {
    await engine.setState(sums)
    let done = 0
    for await (const batch of source.batches({ order, start: 0, size: 1, epoch: undefined, signal })) {
      const inputs = inputTensors(batch, network, 1)
      const said = sampled ? drawn(targets, batch, (await answers.run(batch, inputs)).logits, random) : targets
      const encoded = objective.encode(said, batch)
      const places = objective.kind === 'token-labels' ? [encoded.weights.length] : []
      const width = encoded.targets.length / encoded.weights.length
      // The loss of a sample is that of all its words.
      await gradients.run(batch, {
        ...inputs,
        [TARGETS]: floats([1, ...places, width], encoded.targets),
        [WEIGHTS]: floats([1, ...places], encoded.weights),
      })
      done++
      options.onProgress?.(done)
    }
    const found = await engine.getState(Object.keys(sums))
    return Object.fromEntries(
      Object.entries(found).map(([name, { dims, data }]) => [
        name.slice(PREFIX.length),
        floats(
          dims,
          (data as Float32Array).map((sum) => sum / Math.max(1, done)),
        ),
      ]),
    )
  } finally {
    await gradients.release()
    await answers.release()
  }
}

const PREFIX = 'graft.fisher/'

function squareSums(network: Network): Record<string, HostTensor> {
  const { initializers } = network.model.graph
  return Object.fromEntries(
    network.layers.flat().flatMap((name) => {
      const tensor = initializers.get(name)
      if (tensor?.type !== 'float32') return []
      return [[PREFIX + name, floats(tensor.dims, new Float32Array(tensor.data.length))]]
    }),
  )
}

/** Adds the squares of one sample's gradient to the sums. */
function squaresProgram(network: Network, objective: Objective, shapes: SampleShapes): Program {
  const forward = specialise(network.model, {
    shapes: batchShapes(network, shapes, 1),
    outputs: [network.logits],
    batchNorm: { kind: 'fold' },
  })
  const g = forward.builder
  const logits = forward.value(network.logits)
  const shape = g.shape(logits)
  g.input(TARGETS, { type: 'float32', shape })
  g.input(WEIGHTS, { type: 'float32', shape: shape.slice(0, -1) })
  const loss = objective.loss(g, logits, TARGETS, WEIGHTS)
  const names = network.layers.flat().filter((name) => g.parameters().get(name)?.type === 'float32')
  const found = differentiate(g, new Map([[loss, g.float(1)]]), names)
  const state = [...found].map(([name, gradient]) => {
    const input = g.input(PREFIX + name, { type: 'float32', shape: g.shape(gradient) })
    g.output(`${input}.next`, g.op('Add', [input, g.op('Mul', [gradient, gradient])]))
    return { name: input, input, output: `${input}.next` }
  })
  g.output('graft.loss', g.op('Identity', [loss]))
  return { model: g.model(), state }
}

function answerProgram(network: Network, shapes: SampleShapes): Program {
  const forward = specialise(network.model, {
    shapes: batchShapes(network, shapes, 1),
    outputs: [network.logits],
    batchNorm: { kind: 'fold' },
  })
  forward.builder.output('logits', forward.value(network.logits))
  return { model: forward.builder.model(), state: [] }
}

/** The targets with the one sample's class drawn from the network's softmax. */
function drawn(targets: Targets, { samples }: Batch, logits: HostTensor | undefined, random: Random): Targets {
  if (targets.kind !== 'single-label' && targets.kind !== 'ordinal') return targets
  const sample = samples[0]!
  const z = Array.from(logits?.data as Float32Array)
  const top = Math.max(...z)
  const powers = z.map((value) => Math.exp(value - top))
  let left = random.fork('label', sample).uniform() * powers.reduce((a, b) => a + b, 0)
  const found = powers.findIndex((power) => {
    left -= power
    return left < 0
  })
  const labels = targets.labels.slice()
  labels[sample] = found < 0 ? powers.length - 1 : found
  return { ...targets, labels }
}
