/** Feeding, running and training the small networks of these tests. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { Random } from '#graft/base/random.js'
import type { Model } from '#graft/graph/graph.js'
import type { Tensor as Stored } from '#graft/graph/tensor.js'
import { softmaxCrossEntropy } from '#graft/losses/crossEntropy.js'
import type { AppliedAdapter } from '#graft/models/adapters/apply.js'
import { writeModel } from '#graft/onnx/writer.js'
import { adamW } from '#graft/optim/optimizer.js'
import { compileTraining, STEP_OUTPUTS, type TrainingProgram } from '#graft/optim/trainingProgram.js'
import { specialise } from '#graft/passes/specialise.js'
import type { Engine } from '#graft/runtime/engine.js'
import { floats, type HostTensor, scalarTensor } from '#graft/runtime/types.js'
import { CLASSES, WORDS } from './networks.js'

export type Feeds = Readonly<Record<string, HostTensor>>

const whole = (dims: readonly number[], value: (i: number) => number): HostTensor => ({
  type: 'int64',
  dims,
  data: BigInt64Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => BigInt(value(i))),
})

/** Texts of random words, of different lengths. */
export function texts(n: number, tokens: number, seed = 1): Feeds {
  const random = new Random(seed, 'texts')
  const lengths = Array.from({ length: n }, () => tokens - random.integer(Math.max(1, tokens - 2)))
  const dims = [n, tokens]
  return {
    input_ids: whole(dims, () => random.integer(WORDS)),
    attention_mask: whole(dims, (i) => (i % tokens < lengths[Math.floor(i / tokens)]! ? 1 : 0)),
    token_type_ids: whole(dims, (i) => (i % tokens > tokens / 2 ? 1 : 0)),
  }
}

export function photos(n: number, seed = 1): Feeds {
  const random = new Random(seed, 'photos')
  return {
    pixel_values: floats(
      [n, 3, 12, 12],
      Float32Array.from({ length: n * 432 }, () => random.normal()),
    ),
  }
}

export const feedsFor = (model: Model, n: number, seed = 1): Feeds =>
  model.graph.inputs.length === 1 ? photos(n, seed) : texts(n, 6, seed)

/** The outputs of a model as onnxruntime computes them from the file. */
export async function outputsOf(engine: Engine, model: Model, feeds: Feeds): Promise<Record<string, Float32Array>> {
  const program = await engine.load({ model, state: [] })
  try {
    const results = await program.run(feeds)
    return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]))
  } finally {
    await program.release()
  }
}

/** The same with nothing fused: bit for bit what the nodes of the file compute. */
export async function unfusedOutputs(model: Model, feeds: Feeds): Promise<Record<string, Float32Array>> {
  const session = await InferenceSession.create(writeModel(model), {
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  })
  const given = Object.entries(feeds).map(([name, { type, dims, data }]) => [
    name,
    new Tensor(type, data as Float32Array, dims as number[]),
  ])
  const results = await session.run(Object.fromEntries(given) as Record<string, Tensor>)
  await session.release()
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]))
}

/** The largest difference, in parts of the largest number. */
export function distance(a: Record<string, Float32Array>, b: Record<string, Float32Array>): number {
  let difference = 0
  let largest = 0
  for (const [name, values] of Object.entries(a))
    values.forEach((v, i) => {
      difference = Math.max(difference, Math.abs(v - (b[name]?.[i] ?? Number.NaN)))
      largest = Math.max(largest, Math.abs(v))
    })
  return difference / largest
}

/** Weights of an adapter as training might have left them, none of which is zero. */
export function moved({ start }: AppliedAdapter, seed = 3, by = 0.3): Map<string, Stored> {
  return new Map(
    Array.from(start, ([name, tensor]) => {
      const random = new Random(seed, name)
      const data = Float32Array.from(tensor.data as Float32Array, (v) => v + by * random.normal())
      return [name, { type: 'float32', dims: tensor.dims, data }]
    }),
  )
}

/** The program that trains the adapter alone. */
export function trainingOf(model: Model, trainable: readonly string[], feeds: Feeds, batch: number): TrainingProgram {
  const names = new Set(trainable)
  const shapes = Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]))
  const forward = specialise(model, { shapes, outputs: ['logits'], batchNorm: { kind: 'fold' } })
  return compileTraining({
    forward,
    loss(g) {
      const targets = g.input('targets', { type: 'float32', shape: [batch, CLASSES] })
      const weights = g.input('weights', { type: 'float32', shape: [batch] })
      return { loss: softmaxCrossEntropy(g, forward.value('logits'), targets, weights) }
    },
    group: (parameter) => (names.has(parameter) ? { name: 'all', decays: false } : undefined),
    optimizer: adamW({ weightDecay: 0 }),
  })
}

export interface Trained {
  readonly weights: Map<string, Stored>
  readonly losses: readonly number[]
  /** Everything that the training kept and changed. */
  readonly state: readonly string[]
}

/** Learns a random label for each sample by heart. */
export async function trainOn(
  engine: Engine,
  model: Model,
  trainable: readonly string[],
  feeds: Feeds,
  { steps = 40, rate = 0.02 } = {},
): Promise<Trained> {
  const [batch = 0] = Object.values(feeds)[0]?.dims ?? []
  const program = trainingOf(model, trainable, feeds, batch)
  const random = new Random(9, 'labels')
  const targets = new Float32Array(batch * CLASSES)
  for (let i = 0; i < batch; i++) targets[i * CLASSES + random.integer(CLASSES)] = 1
  const given = {
    ...feeds,
    targets: floats([batch, CLASSES], targets),
    weights: floats([batch], new Float32Array(batch).fill(1 / batch)),
    'lr.all': scalarTensor(rate),
  }
  const step = await engine.load(program.step)
  await engine.setState(program.initialState)
  const losses: number[] = []
  for (let i = 0; i < steps; i++) losses.push(Number((await step.run(given))[STEP_OUTPUTS.loss]?.data[0]))
  await step.release()
  const names = program.parameters.map(({ name }) => name)
  const found = await engine.getState(names)
  const weights = new Map(
    Object.entries(found).map(([name, { dims, data }]): [string, Stored] => [
      name,
      { type: 'float32', dims, data: data as Float32Array },
    ]),
  )
  return { weights, losses, state: Object.keys(program.initialState) }
}
