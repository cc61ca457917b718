/** Trains a network, or the part of it that is chosen, on samples in memory. Needs no disk, so it runs in a web page too. */
import { GraftError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import { Random } from '../../base/random.js'
import { type Model, producers } from '../../graph/graph.js'
import type { Tensor } from '../../graph/tensor.js'
import { findBlocks } from '../../models/blocks.js'
import { withTrained } from '../../models/edit.js'
import { listParameters } from '../../models/parameters.js'
import { specialise } from '../../passes/specialise.js'
import type { Engine } from '../../runtime/engine.js'
import { checkEqual } from '../fineTuning/checkEqual.js'
import type { Network } from '../fineTuning/network.js'
import type { EpochRecord } from '../fineTuning/position.js'
import { checkSettings, type TuningSettings } from '../fineTuning/settings.js'
import { train } from '../fineTuning/trainer.js'
import { memoryRunDirectory } from '../run/directory.js'
import { type Run, type RunContext, startRun } from '../run/run.js'
import { type ComputeOptions, withEngine } from './engine.js'
import { checkSamples, onlyInput, part, sourceOf, type TensorSamples } from './samples.js'

export interface TrainNetworkOptions extends ComputeOptions {
  /** From one input with a dynamic batch to scores, (N, C); a softmax at its end is not trained through. */
  readonly model: Model
  readonly train: TensorSamples
  /** Decides which epoch is kept; without it the last one is. */
  readonly validation?: TensorSamples | undefined
  /** Which parameters train, by the names of {@link listParameters}. @default all */
  readonly trainable?: ((parameter: string) => boolean) | undefined
  readonly settings?: Partial<TuningSettings> | undefined
}

export interface TrainedNetwork {
  /** The network with its trained weights; everything else is as it was. */
  readonly model: Model
  readonly history: readonly EpochRecord[]
  /** The kept epoch, from 1. */
  readonly epoch: number
  /** Scores of the kept weights on the validation samples, (N, C), before any softmax. */
  readonly validationLogits: Matrix | undefined
  /** Steps that changed nothing because the loss or a gradient was not finite. */
  readonly skippedSteps: number
}

/** As `graft train` has them where it fine-tunes, but every layer trains from the first step on and AdamW updates. */
const DEFAULTS: TuningSettings = {
  schedule: 'full',
  epochs: 10,
  batch: 16,
  accumulate: 1,
  batchNorm: 'frozen',
  ema: 0,
  patience: 0,
  optimizer: 'adamw',
  lr: 1e-3,
  momentum: 0.9,
  nesterov: false,
  weightDecay: 1e-4,
  lrSchedule: 'cosine',
  warmup: 0.1,
  layerDecay: 1,
  clip: 1,
  labelSmoothing: 0,
  classWeights: false,
  balancedSampling: false,
  mix: undefined,
  checkpointSeconds: 0,
}

/**
 * Minimises the mean cross-entropy of the scores. The run can be awaited, iterated for its events and aborted.
 *
 * @throws GraftError where the samples do not fit the network or each other
 */
export function trainNetwork(options: TrainNetworkOptions): Run<TrainedNetwork> {
  const { signal } = options
  return startRun((context) => withEngine(options, context.signal, (engine) => run(options, engine, context)), {
    signal,
  })
}

async function run(options: TrainNetworkOptions, engine: Engine, context: RunContext): Promise<TrainedNetwork> {
  const { model, train: samples, validation, trainable = () => true } = options
  const settings = { ...DEFAULTS, ...options.settings }
  checkSettings(settings)
  const input = onlyInput(model)
  const logits = scoresOf(model)
  const [, ...sample] = samples.inputs.dims
  const inferred = specialise(model, { shapes: { [input]: [1, ...sample] }, outputs: [logits] })
  const shape = inferred.builder.shape(inferred.value(logits))
  const classes = shape[1]
  if (shape.length !== 2 || classes === undefined)
    throw new GraftError(`The network gives scores of the shape (${shape.join(', ')}); expected (N, classes).`)
  checkSamples(samples, classes, 'training')
  if (validation) checkSamples(validation, classes, 'validation')

  const layers = layersOf(model, logits, trainable)
  const network: Network = { model, inputs: [{ name: input, type: 'float32', sample }], logits, layers }
  context.phase('fine-tuning', `training ${layers.flat().length} parameters for ${settings.epochs} epochs`)
  const outcome = await train({
    engine,
    network,
    train: sourceOf(samples, input, classes),
    validation: validation && sourceOf(validation, input, classes),
    settings,
    random: new Random(options.seed ?? 0),
    context,
    directory: memoryRunDirectory(),
    key: '',
  })
  const trained = new Map(
    Object.entries(outcome.weights).map(([name, { dims, data }]): [string, Tensor] => [
      name,
      { type: 'float32', dims, data: data as Float32Array },
    ]),
  )
  const result = withTrained(model, trained)
  const checked = part(validation ?? samples, 0, outcome.checkLogits.rows)
  checkEqual(await scores(engine, result, input, logits, checked, classes), outcome.checkLogits)
  return {
    model: result,
    history: outcome.history,
    epoch: outcome.epoch,
    validationLogits: outcome.validationLogits,
    skippedSteps: outcome.skippedSteps,
  }
}

/** What stands before a softmax at the end: cross-entropy takes scores, not probabilities. */
function scoresOf(model: Model): string {
  const made = producers(model.graph)
  let value = model.graph.outputs[0]?.name ?? ''
  for (;;) {
    const node = made.get(value)
    const follows = node?.opType === 'Softmax' || node?.opType === 'LogSoftmax' || node?.opType === 'Identity'
    if (!follows || node.domain !== '' || node.inputs[0] === undefined) return value
    value = node.inputs[0]
  }
}

/** The parameters that train, by depth. */
function layersOf(model: Model, logits: string, trainable: (parameter: string) => boolean): string[][] {
  const chosen = new Set<string>()
  for (const { name, value } of listParameters(model)) if (trainable(name)) chosen.add(value)
  if (chosen.size === 0) throw new GraftError('No parameter of the network is to train.')
  const layers = findBlocks(model, logits)
    .map(({ parameters }) => parameters.filter((name) => chosen.has(name)))
    .filter((names) => names.length > 0)
  const placed = new Set(layers.flat())
  const rest = [...chosen].filter((name) => !placed.has(name))
  return rest.length > 0 ? [...layers, rest] : layers
}

/** The scores of samples, (N, C), as the finished network gives them. */
async function scores(
  engine: Engine,
  model: Model,
  input: string,
  logits: string,
  feed: ReturnType<typeof part>,
  classes: number,
): Promise<Matrix> {
  const outputs = [{ name: logits, type: 'float32', shape: undefined } as const]
  const program = await engine.load({ model: { ...model, graph: { ...model.graph, outputs } }, state: [] })
  try {
    const results = await program.run({ [input]: feed })
    return { rows: feed.dims[0] ?? 0, columns: classes, data: results[logits]?.data as Float32Array }
  } finally {
    await program.release()
  }
}
