/** A saved network trained further on unlabelled samples, its classifier kept; and whether that is to be trusted. */
import { argmaxRows, type Matrix, matrix, softmaxRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { SingleLabelTargets } from '../../data/targets.js'
import type { Model, ValueInfo } from '../../graph/graph.js'
import type { Tensor } from '../../graph/tensor.js'
import { findBlocks } from '../../models/blocks.js'
import { keepOnly, withTrained } from '../../models/edit.js'
import { extract } from '../../passes/extract.js'
import { specialise } from '../../passes/specialise.js'
import type { Engine } from '../../runtime/engine.js'
import type { HostTensor } from '../../runtime/types.js'
import { ADAPTATION_SETTINGS } from '../domainAdaptation/adapt.js'
import { driftOf, predictionDrift } from '../domainAdaptation/drift.js'
import { matrixSource } from '../fineTuning/matrixSource.js'
import type { TuningMethod } from '../fineTuning/method.js'
import { batchShapes, largestShapes, type Network, type SampleSource } from '../fineTuning/network.js'
import type { TuningSettings } from '../fineTuning/settings.js'
import { train } from '../fineTuning/trainer.js'
import { memoryRunDirectory, type RunDirectory } from '../run/directory.js'
import type { RunContext } from '../run/run.js'
import { fewClasses, type GuardOptions, whatIsWrong } from './guard.js'
import { checkNeeds } from './method.js'
import type { SavedNetwork } from './network.js'

export interface WithoutSource {
  readonly engine: Engine
  readonly network: SavedNetwork
  /** Without labels. */
  readonly target: SampleSource<SingleLabelTargets>
  /** Such as {@link shot}. */
  readonly method: TuningMethod
  /** Blocks that train, counted from the classifier down. */
  readonly unfreeze: number
  readonly settings: Pick<TuningSettings, 'epochs' | 'batch' | 'lr'>
  readonly guard?: GuardOptions
  readonly random: Random
  readonly context: RunContext
  /** Where checkpoints go. @default nowhere */
  readonly directory?: RunDirectory
  /** Names everything that a checkpoint depends on. @default the method's name */
  readonly key?: string
}

/** What a network says of the samples: logits (N, C) and the features (N, D) that its head stands on. */
export interface SampleOutputs {
  readonly logits: Matrix
  readonly features: Matrix
}

export interface TrainedWithoutSource {
  /** By the name of the stored value. */
  readonly weights: ReadonlyMap<string, Tensor>
  readonly unadapted: SampleOutputs
  readonly adapted: SampleOutputs
  /** Share of the predictions that changed, by epoch. */
  readonly drift: readonly number[]
  /** Why the adapted network is not to be trusted; undefined where nothing speaks against it. */
  readonly wrong: string | undefined
}

/** @throws GraftError where the head does not stand on one row of features a sample */
export async function trainWithoutSource(job: WithoutSource): Promise<TrainedWithoutSource> {
  const { engine, network: saved, target, method, settings, random, context, guard } = job
  checkNeeds({ name: method.name, needs: ['features'] }, saved)
  const { features, network, temperature } = saved
  const read = (model: Model, phase: string) =>
    outputsOf({ engine, model, values: [network.logits, features as string], target, batch: settings.batch }, () =>
      context.progress('features', target.length, phase),
    )
  context.phase('features', 'What the saved model says')
  const unadapted = await read(network.model, 'samples before')
  const part = await trainedPart(job)
  context.phase('fine-tuning', `${method.name} on ${target.length} samples without labels`)
  const outcome = await train({
    engine,
    network: part.network,
    train: part.source,
    validation: undefined,
    settings: {
      ...ADAPTATION_SETTINGS,
      ...settings,
      batch: Math.min(settings.batch, target.length),
      methods: [method, predictionDrift()],
    },
    random: random.fork('without source', method.name),
    context,
    directory: job.directory ?? memoryRunDirectory(),
    key: job.key ?? method.name,
  })
  const trained = new Map(
    Object.entries(outcome.weights).map(([name, { dims, data }]): [string, Tensor] => [
      name,
      { type: 'float32', dims, data: data as Float32Array },
    ]),
  )
  const adapted = await read(withTrained(network.model, trained), 'samples after')
  const [before, after] = [unadapted, adapted].map(({ logits }) => softmaxRows(logits, temperature)) as [Matrix, Matrix]
  return {
    weights: trained,
    unadapted,
    adapted,
    drift: driftOf(outcome.kept ?? {}, argmaxRows(adapted.logits)),
    // Information maximisation spreads predictions over all classes, whether or not they come.
    wrong: fewClasses(before) ?? whatIsWrong(before, after, guard),
  }
}

/** The last blocks as a network of their own, fed with what the others make of the samples; or all of it with the others held. */
async function trainedPart({
  engine,
  network: { network, features },
  target,
  unfreeze,
  settings,
}: WithoutSource): Promise<{ network: Network; source: SampleSource<SingleLabelTargets> }> {
  const blocks = findBlocks(network.model, features)
  const layers = blocks.slice(Math.max(0, blocks.length - unfreeze)).map(({ parameters }) => parameters)
  const last = blocks[blocks.length - unfreeze - 1]
  // Samples of several shapes go through the whole network: what is cached has one shape.
  if (last === undefined || target.shapes !== undefined || network.inputs.length > 1)
    return { network: { ...network, layers }, source: target }
  const shapes = batchShapes(network, largestShapes(network), 2)
  const inferred = specialise(network.model, { shapes, outputs: [last.output] })
  const sample = inferred.builder.shape(inferred.value(last.output)).slice(1)
  const value: ValueInfo = { name: last.output, type: 'float32', shape: ['batch', ...sample] }
  const upper = extract(network.model, [value], [{ name: network.logits, type: 'float32', shape: undefined }])
  const [frozen] = await valuesOf({
    engine,
    model: extract(network.model, [], [value]),
    values: [last.output],
    target,
    batch: settings.batch,
  })
  const input = { name: last.output, type: 'float32', sample } as const
  return {
    network: { ...network, model: upper, inputs: [input], layers },
    source: matrixSource(frozen as Matrix, target.targets, input),
  }
}

interface Reading {
  readonly engine: Engine
  readonly model: Model
  readonly values: readonly string[]
  readonly target: SampleSource<SingleLabelTargets>
  readonly batch: number
}

async function outputsOf(reading: Reading, begin: () => { set(done: number): void }): Promise<SampleOutputs> {
  const [logits, features] = await valuesOf(reading, begin())
  return { logits: logits as Matrix, features: features as Matrix }
}

/** Values of a network of all samples, a row each. */
async function valuesOf(
  { engine, model, values, target, batch: size }: Reading,
  progress?: { set(done: number): void },
): Promise<Matrix[]> {
  const outputs = values.map((name): ValueInfo => ({ name, type: 'float32', shape: undefined }))
  const program = await engine.load({ model: keepOnly(model, outputs), state: [] })
  const found: Matrix[] = []
  const order = Int32Array.from({ length: target.length }, (_, i) => i)
  let done = 0
  try {
    const signal = new AbortController().signal
    for await (const { inputs, samples } of target.batches({ order, start: 0, size, epoch: undefined, signal })) {
      const results = await program.run(inputs)
      values.forEach((name, k) => {
        const { data } = results[name] as HostTensor
        const columns = data.length / samples.length
        found[k] ??= matrix(target.length, columns)
        samples.forEach((sample, i) => {
          found[k]!.data.set((data as Float32Array).subarray(i * columns, (i + 1) * columns), sample * columns)
        })
      })
      done += samples.length
      progress?.set(done)
    }
    return found
  } finally {
    await program.release()
  }
}
