/**
 * Learns a classifier from features of some domains and fits it to another one without labels. Any features do: a frozen network's,
 * or numbers of the caller's own. Needs no disk, so it runs in a web page too.
 */
import { type Matrix, matrix } from '../../base/matrix.js'
import { Random } from '../../base/random.js'
import type { Model, Node } from '../../graph/graph.js'
import { float32, type Tensor } from '../../graph/tensor.js'
import { withTrained } from '../../models/edit.js'
import type { Engine } from '../../runtime/engine.js'
import { floats } from '../../runtime/types.js'
import { type AdaptedCandidate, adaptFeatureNetwork, type FeatureSamples } from '../domainAdaptation/adapt.js'
import { FEATURES_INPUT } from '../domainAdaptation/featureNetwork.js'
import type { AdaptationMethod } from '../domainAdaptation/method.js'
import { type AdaptationName, adaptationMethod } from '../domainAdaptation/methods/table.js'
import { checkEqual } from '../fineTuning/checkEqual.js'
import type { TuningSettings } from '../fineTuning/settings.js'
import { type Run, type RunContext, startRun } from '../run/run.js'
import { type ComputeOptions, withEngine } from './engine.js'
import { checkSamples, type TensorSamples } from './samples.js'

export interface TrainAdaptedOptions extends ComputeOptions {
  /** Labelled samples by the name of their domain: inputs are features, (N, D). */
  readonly sources: Readonly<Record<string, TensorSamples>>
  /** Features of the domain that is adapted to, (N, D). */
  readonly target: TensorSamples['inputs']
  readonly classes: number
  /** A method, or its name with its defaults. @default none: what the sources teach alone */
  readonly method?: AdaptationMethod | AdaptationName | undefined
  /**
   * source: all features by the sources' mean and deviation. domain: each domain by its own, which is what AdaBN does for features
   * that have no batch norm of their own. @default 'domain'
   */
  readonly standardise?: 'source' | 'domain' | undefined
  /** Width of the hidden layer; 0 for none. @default 256 */
  readonly hidden?: number | undefined
  readonly settings?: Partial<TuningSettings> | undefined
}

export interface TrainedAdapted {
  /** From `features`, (N, D) of the target, to `logits`, (N, C); the standardisation is in it. */
  readonly model: Model
  /** (N, C), of the target's samples. */
  readonly logits: Matrix
  /** (N, H): what goes into the last layer, of the target's samples. */
  readonly features: Matrix
  /** By epoch: the share of (at most 512) predictions on the target that it changed. */
  readonly drift: readonly number[]
}

/**
 * Trains one candidate by one method, `cdan({ entropy: true })` or by name; `adaptFeatures` tries several and chooses without labels.
 * The run can be awaited, iterated for its events and aborted.
 *
 * @throws GraftError where the samples do not fit each other
 */
export function trainAdapted(options: TrainAdaptedOptions): Run<TrainedAdapted> {
  const { signal } = options
  return startRun((context) => withEngine(options, context.signal, (engine) => run(options, engine, context)), {
    signal,
  })
}

async function run(options: TrainAdaptedOptions, engine: Engine, context: RunContext): Promise<TrainedAdapted> {
  const { target, classes, method } = options
  for (const [name, samples] of Object.entries(options.sources)) checkSamples(samples, classes, name)
  checkSamples({ inputs: target, labels: new Int32Array(target.dims[0] ?? 0) }, classes, 'target')
  const chosen = typeof method === 'string' ? adaptationMethod(method) : method
  context.phase('fine-tuning', `adapting to ${target.dims[0]} samples by ${chosen?.title ?? 'their statistics alone'}`)
  const found = await adaptFeatureNetwork({
    engine,
    classes: Array.from({ length: classes }, (_, c) => String(c)),
    sources: Object.entries(options.sources).map(([name, samples]) => ({ name, ...samplesOf(samples) })),
    target: { name: 'target', features: matrixOf(target) },
    methods: chosen === undefined ? [] : [chosen],
    standardise: options.standardise ?? 'domain',
    ...(options.hidden === undefined ? {} : { hidden: options.hidden }),
    ...(options.settings === undefined ? {} : { settings: options.settings }),
    random: new Random(options.seed ?? 0),
    context,
  })
  const model = modelOf(found)
  await check(engine, model, matrixOf(target), found.target.logits)
  return { model, logits: found.target.logits, features: found.target.features, drift: found.drift }
}

const matrixOf = ({ dims, data }: TensorSamples['inputs']): Matrix =>
  matrix(
    dims[0] ?? 0,
    dims.slice(1).reduce((product, d) => product * d, 1),
    new Float32Array(data),
  )

const samplesOf = ({ inputs, labels }: TensorSamples): FeatureSamples => ({
  features: matrixOf(inputs),
  labels: Int32Array.from(labels),
})

/** The trained network behind the standardisation of the target. */
function modelOf({ network, weights, standardiser: { mean, scale } }: AdaptedCandidate): Model {
  const trained = withTrained(
    network.model,
    new Map(
      Object.entries(weights).map(([name, { dims, data }]): [string, Tensor] => [
        name,
        float32(dims, data as Float32Array),
      ]),
    ),
  )
  const { graph } = trained
  const node = (opType: string, inputs: string[], output: string): Node => ({
    name: output,
    opType,
    domain: '',
    inputs,
    outputs: [output],
    attributes: new Map(),
  })
  const [centred, standard] = ['graft.centred', 'graft.standard']
  const initializers = new Map(graph.initializers)
  initializers.set('graft.mean', float32([mean.length], Array.from(mean)))
  initializers.set('graft.scale', float32([scale.length], Array.from(scale)))
  const nodes = [
    node('Sub', [FEATURES_INPUT, 'graft.mean'], centred),
    node('Mul', [centred, 'graft.scale'], standard),
    ...graph.nodes.map((own) => ({
      ...own,
      inputs: own.inputs.map((input) => (input === FEATURES_INPUT ? standard : input)),
    })),
  ]
  return { ...trained, graph: { ...graph, initializers, nodes } }
}

/** Samples on which the finished model is compared with the training. */
const CHECKED = 8

async function check(engine: Engine, model: Model, features: Matrix, logits: Matrix): Promise<void> {
  const rows = Math.min(CHECKED, features.rows)
  const program = await engine.load({ model, state: [] })
  try {
    const feed = floats([rows, features.columns], features.data.slice(0, rows * features.columns))
    const results = await program.run({ [FEATURES_INPUT]: feed })
    const found = matrix(rows, logits.columns, new Float32Array(results.logits?.data as Float32Array))
    checkEqual(found, matrix(rows, logits.columns, logits.data.slice(0, rows * logits.columns)))
  } finally {
    await program.release()
  }
}
