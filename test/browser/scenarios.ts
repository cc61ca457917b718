/** What is computed twice, in Node and in a page, and compared. Everything it gives out can cross over as JSON. */
import {
  adamW,
  compileTraining,
  decodeImage,
  type Engine,
  floats,
  type HostTensor,
  type Model,
  openEngine,
  STEP_OUTPUTS,
  scalarTensor,
  sgd,
  softmaxCrossEntropy,
  specialise,
  trainHead,
  trainNetwork,
  withTrained,
  writeModel,
} from 'graft-ml/browser'
import { CLASSES, convolutional, perceptron, read, SHAPE, samples } from './networks.js'

const SEED = 11

export interface Outcome {
  readonly losses: readonly number[]
  /** Largest change of each weight. */
  readonly moved: Readonly<Record<string, number>>
  /** The trained network. */
  readonly bytes: readonly number[]
  /** Its scores on the first samples, computed where it was trained. */
  readonly scores: readonly number[]
  readonly threads: number
  /** Turns that the page's own thread had meanwhile. */
  readonly turns: number
}

export interface Settings {
  readonly threads?: number
  readonly wasm?: string
}

export const PROBE = samples(SEED + 1, 6, SHAPE)
export const FLAT_PROBE = samples(SEED + 1, 6, [6])

/** Twenty steps of a convolutional network, written out with the engine's own pieces; batch norm moves its statistics. */
export async function steps(settings: Settings): Promise<Outcome> {
  const model = read(convolutional(SEED))
  const batch = 12
  const data = samples(SEED, 4 * batch, SHAPE)
  const forward = specialise(model, {
    shapes: { x: [batch, ...SHAPE] },
    batchNorm: { kind: 'train', momentum: 0.1 },
  })
  const program = compileTraining({
    forward,
    loss(g) {
      const targets = g.input('targets', { type: 'float32', shape: [batch, CLASSES] })
      const weights = g.input('weights', { type: 'float32', shape: [batch] })
      return { loss: softmaxCrossEntropy(g, forward.value('scores'), targets, weights) }
    },
    group: () => ({ name: 'all' }),
    optimizer: sgd({ momentum: 0.9, weightDecay: 1e-4 }),
    clipNorm: 5,
  })
  return within(settings, async (engine) => {
    const step = await engine.load(program.step)
    await engine.setState(program.initialState)
    const losses: number[] = []
    const one = SHAPE.reduce((a, b) => a * b, 1)
    for (let k = 0; k < 20; k++) {
      const start = (k % 4) * batch
      const targets = new Float32Array(batch * CLASSES)
      for (let i = 0; i < batch; i++) targets[i * CLASSES + data.labels[start + i]!] = 1
      const results = await step.run({
        x: floats([batch, ...SHAPE], data.inputs.data.slice(start * one, (start + batch) * one)),
        targets: floats([batch, CLASSES], targets),
        weights: floats([batch], new Float32Array(batch).fill(1 / batch)),
        'lr.all': scalarTensor(0.05),
      })
      losses.push(Number(results[STEP_OUTPUTS.loss]?.data[0]))
    }
    await step.release()
    const names = [...program.parameters.map(({ name }) => name), ...program.statistics]
    const state = await engine.getState(names)
    const trained = withTrained(
      model,
      new Map(names.map((name) => [name, { type: 'float32', ...shapeAndData(state[name]!) }])),
    )
    return { losses, model, trained, probe: floats(PROBE.inputs.dims, PROBE.inputs.data), output: 'scores' }
  })
}

/** A perceptron with AdamW, by the one call that does it all. */
export async function perceptronRun(settings: Settings): Promise<Outcome> {
  const model = read(perceptron(SEED))
  return within(settings, async (engine) => {
    const { model: trained, history } = await trainNetwork({
      engine,
      model,
      train: samples(SEED, 30, [6]),
      validation: samples(SEED + 2, 9, [6]),
      settings: { epochs: 10, batch: 16, lr: 0.01, weightDecay: 0.01, optimizer: 'adamw' },
      seed: 3,
    })
    const losses = history.flatMap(({ trainLoss, validationLoss = Number.NaN }) => [trainLoss, validationLoss])
    return { losses, model, trained, probe: floats(FLAT_PROBE.inputs.dims, FLAT_PROBE.inputs.data), output: 'scores' }
  })
}

/** A new head on the convolutional network; the losses are the probe's own figures. */
export async function head(settings: Settings): Promise<Outcome> {
  const model = read(convolutional(SEED))
  return within(settings, async (engine) => {
    const { model: trained, classifier } = await trainHead({
      engine,
      model,
      train: samples(SEED, 48, SHAPE),
      classes: CLASSES,
      seed: 3,
    })
    const { loss = Number.NaN, accuracy = Number.NaN } = classifier.details
    return {
      losses: [loss, accuracy],
      model,
      trained,
      probe: floats(PROBE.inputs.dims, PROBE.inputs.data),
      output: 'logits',
    }
  })
}

/** Pixels of an image, (height, width, 3). */
export async function pixels(bytes: readonly number[]): Promise<{ width: number; height: number; data: number[] }> {
  const { width, height, data } = await decodeImage(Uint8Array.from(bytes))
  return { width, height, data: Array.from(data) }
}

/** The message and the remedy of what is thrown; undefined where nothing is. */
export async function refusal(settings: Settings): Promise<string | undefined> {
  try {
    const engine = await openEngine(settings)
    try {
      await engine.load(compiled())
    } finally {
      await engine.close()
    }
    return undefined
  } catch (error) {
    const { message, remedy } = error as { message: string; remedy?: string }
    return [message, remedy].join(' ')
  }
}

function compiled() {
  const forward = specialise(read(perceptron(SEED)), { shapes: { x: [1, 6] } })
  return compileTraining({
    forward,
    loss: (g) => ({ loss: g.op('ReduceSum', [forward.value('scores')]) }),
    group: () => ({ name: 'all' }),
    optimizer: adamW(),
  }).step
}

interface Done {
  readonly losses: readonly number[]
  readonly model: Model
  readonly trained: Model
  readonly probe: HostTensor
  readonly output: string
}

async function within(settings: Settings, work: (engine: Engine) => Promise<Done>): Promise<Outcome> {
  const engine = await openEngine(settings)
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  try {
    const { losses, model, trained, probe, output } = await work(engine)
    const outputs = [{ name: output, type: 'float32', shape: undefined } as const]
    const program = await engine.load({ model: { ...trained, graph: { ...trained.graph, outputs } }, state: [] })
    const results = await program.run({ x: probe })
    await program.release()
    return {
      losses,
      moved: changes(model, trained),
      bytes: Array.from(writeModel(trained)),
      scores: Array.from(results[output]?.data as Float32Array),
      threads: engine.threads,
      turns,
    }
  } finally {
    clearInterval(timer)
    await engine.close()
  }
}

const shapeAndData = ({ dims, data }: HostTensor) => ({ dims, data: data as Float32Array })

/** Of the weights that both networks have. */
function changes(before: Model, after: Model): Record<string, number> {
  const found: Record<string, number> = {}
  for (const [name, { data }] of after.graph.initializers) {
    const was = before.graph.initializers.get(name)?.data
    if (!(data instanceof Float32Array) || was?.length !== data.length) continue
    found[name] = data.reduce((most, value, i) => Math.max(most, Math.abs(value - Number(was[i]))), 0)
  }
  return found
}
