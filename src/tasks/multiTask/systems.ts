/**
 * The systems that a run trains and compares: the network that the tasks share, with the weighting that was chosen and with equal
 * weights, and a network of its own for each task on the same budget.
 */
import { sha256, sha256Of } from '#platform'
import type { Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { countOf, type NamedTask, type TaskTargets } from '../../data/targets.js'
import { knownAmong } from '../../data/tasks/checks.js'
import type { Model } from '../../graph/graph.js'
import type { HostTensor } from '../../runtime/types.js'
import type { SampleSource } from '../../techniques/fineTuning/network.js'
import { inOwnUnit } from '../../techniques/fineTuning/objective.js'
import { logitsOf } from '../../techniques/fineTuning/scoring.js'
import { targetsText } from '../../techniques/fineTuning/targets.js'
import {
  equal,
  type Implication,
  type StackedHead,
  type TasksOutcome,
  type TaskWeighting,
  trainTasks,
  withPossibleClasses,
  withTaskSampling,
} from '../../techniques/multiTask/index.js'
import type { RunDirectory } from '../../techniques/run/directory.js'
import { chooseMethods } from '../training/methods/table.js'
import { columnsByTask } from './answers.js'
import { type ChosenArchitecture, samplingNamed } from './choices.js'
import { onBackbone, onFeatures, type SharedNetwork } from './network.js'
import { sourceAt, type TaskWorkspace, tuningSettings } from './workspace.js'

/** A network of some tasks, trained. */
export interface TrainedTasks {
  readonly names: readonly string[]
  readonly shared: SharedNetwork
  readonly outcome: TasksOutcome
  readonly seconds: number
  /** The samples that chose the epoch: rows of the outcome's logits. */
  readonly validation: Int32Array
  /** On the test samples, a task each in its own unit, (N, C_k). */
  readonly test: readonly Matrix[]
}

export interface SystemChoice {
  readonly work: TaskWorkspace
  readonly architecture: ChosenArchitecture
  /**
   * By task, in the order of the tasks: `linear` for tasks that learn together, with what they tell of each other's missing labels,
   * `single` for one by itself.
   */
  readonly heads: readonly Pick<StackedHead, 'linear' | 'single' | 'implied' | 'even'>[]
}

/** The network of all tasks. @param checkpoint names where it is kept while it trains */
export function trainShared(choice: SystemChoice, weighting: TaskWeighting, checkpoint: string): Promise<TrainedTasks> {
  const names = choice.work.prepared.targets.tasks.map(({ name }) => name)
  return trainOn(choice, names, choice.work.split.train, weighting, choice.work.options.epochs, checkpoint)
}

/**
 * A network for each task, on the samples that know it. With the budget 'total' all of them together see as many samples as the
 * shared network does, each an equal part of it; with 'each' every one of them sees as many.
 */
export async function trainSingles(choice: SystemChoice, firstCheckpoint: number): Promise<TrainedTasks[]> {
  const { work } = choice
  const { tasks } = work.prepared.targets
  const found: TrainedTasks[] = []
  for (const [k, { name, targets }] of tasks.entries()) {
    const positions = knownAmong(targets, work.split.train)
    const seen = work.options.epochs * work.split.train.length
    const share = work.options.budget === 'total' ? seen / tasks.length : seen
    const epochs = Math.max(1, Math.round(share / positions.length))
    found.push(await trainOn(choice, [name], positions, equal(), epochs, `candidate-${firstCheckpoint + k}`))
  }
  return found
}

async function trainOn(
  { work, architecture, heads }: SystemChoice,
  names: readonly string[],
  positions: Int32Array,
  weighting: TaskWeighting,
  epochs: number,
  checkpoint: string,
): Promise<TrainedTasks> {
  const { options, random, split, trunk, engine, context, watch } = work
  const settings = tuningSettings(options, epochs)
  const { tasks } = work.prepared.targets
  const own = random.fork('tasks', ...names)
  const told = names.length > 1 ? heads.flatMap(({ implied, even }) => (even ? implied : [])) : []
  const source = knowing(sourceAt(work, names, positions, own, true), told)
  const train = names.length > 1 ? withTaskSampling(source, samplingNamed(options.sampling)) : source
  const choice = {
    trunk,
    architecture,
    targets: train.targets,
    heads: tasks.flatMap(({ name }, k) =>
      names.includes(name) ? [names.length > 1 ? heads[k]?.linear : heads[k]?.single] : [],
    ),
    random: own,
    settings,
  }
  const shared = options.technique === 'features' ? onFeatures(choice) : onBackbone(choice, adapterOf(work))
  const validation = validationAt(work, names)
  const began = watch.seconds()
  const outcome = await trainTasks({
    engine,
    network: shared.network,
    train,
    validation: validation.length === 0 ? undefined : validationSource(work, names, validation, told, own),
    settings,
    weighting,
    gradientsOf: options.gradientsOf === 'auto' ? undefined : options.gradientsOf,
    lookEvery: names.length > 1 ? looksEvery(options.lookEvery, Math.ceil(positions.length / options.batch)) : 0,
    architecture: architecture.name,
    random: own.fork('training'),
    context,
    directory: under(work.directory, checkpoint),
    key: keyOf(
      work,
      {
        names,
        weighting: [weighting.name, weighting.options],
        architecture: [architecture.name, architecture.options],
        settings,
        sampling: options.sampling,
      },
      train,
    ),
  })
  const seconds = watch.seconds() - began
  const test = await networkLogits(work, shared, outcome, sourceAt(work, names, split.test, own, false))
  return { names, shared, outcome, seconds, validation, test }
}

/** Tasks that choose the epoch: the main ones among these, or all where there is none. */
function judgesOf({ main }: TaskWorkspace, names: readonly string[]): readonly string[] {
  const found = names.filter((name) => main.includes(name))
  return found.length > 0 ? found : names
}

/** Positions of the validation samples that a judging task knows. */
function validationAt(work: TaskWorkspace, names: readonly string[]): Int32Array {
  const judges = judgesOf(work, names)
  const known = new Set<number>()
  for (const { name, targets } of work.prepared.targets.tasks)
    if (judges.includes(name)) for (const i of knownAmong(targets, work.split.validation)) known.add(i)
  return work.split.validation.filter((i) => known.has(i))
}

/** Auxiliary tasks have no say in which epoch is kept: of them nothing is known here. */
function validationSource(
  work: TaskWorkspace,
  names: readonly string[],
  positions: Int32Array,
  told: readonly Implication[],
  random: Random,
): SampleSource<TaskTargets> {
  const judges = judgesOf(work, names)
  const source = knowing(sourceAt(work, names, positions, random, false), told)
  const tasks = source.targets.tasks.map((task) => (judges.includes(task.name) ? task : unknown(task)))
  return { ...source, targets: { ...source.targets, tasks } }
}

/** The samples with what tasks tell of each other's missing labels. */
function knowing(source: SampleSource<TaskTargets>, told: readonly Implication[]): SampleSource<TaskTargets> {
  return { ...source, targets: withPossibleClasses(source.targets, told) }
}

/** The same task on samples of which it knows nothing. */
function unknown({ name, targets }: NamedTask): NamedTask {
  switch (targets.kind) {
    case 'number':
      return { name, targets: { ...targets, values: targets.values.map(() => Number.NaN) } }
    case 'multi-label':
      return { name, targets: { ...targets, known: new Uint8Array(countOf(targets)) } }
    case 'single-label': {
      const { possible: _told, ...rest } = targets
      return { name, targets: { ...rest, labels: targets.labels.map(() => -1) } }
    }
    default:
      return { name, targets: { ...targets, labels: targets.labels.map(() => -1) } }
  }
}

/** Short epochs are looked at once each. */
const looksEvery = (asked: number, stepsAnEpoch: number): number =>
  asked === 0 ? 0 : Math.max(1, Math.min(asked, stepsAnEpoch))

function adapterOf({ options }: TaskWorkspace) {
  return options.technique === 'lora' ? chooseMethods([options.adapter]).adapter?.method : undefined
}

/** A checkpoint of its own for each training of the run. */
function under(directory: RunDirectory, name: string): RunDirectory {
  return {
    ...directory,
    readCheckpoint: () => directory.readCheckpoint(name),
    writeCheckpoint: (_name, file) => directory.writeCheckpoint(name, file),
  }
}

function keyOf(
  { prepared, trunk, options, engine }: TaskWorkspace,
  what: object,
  train: SampleSource<TaskTargets>,
): string {
  return sha256Of([
    JSON.stringify([
      prepared.data.fingerprint,
      trunk.backbone.bytesSha256,
      trunk.point.features,
      options.seed,
      engine.threads,
    ]),
    JSON.stringify(what),
    sha256(targetsText(train.targets)),
  ])
}

/** What the trained network says of samples, a task each in its own unit. */
async function networkLogits(
  work: TaskWorkspace,
  shared: SharedNetwork,
  { weights, tasks }: TasksOutcome,
  source: SampleSource<TaskTargets>,
): Promise<Matrix[]> {
  const { network } = shared
  const all = await modelLogits(work, shared.trained(weights), network.logits, source)
  const columns = network.tasks.map(({ outputs }) => ({ labels: Array.from({ length: outputs }, String) }))
  return columnsByTask(all, columns).map(({ own }, k) => inOwnUnit(own, tasks[k]?.scale))
}

/** The values of an output (N, C) on all samples of a source. */
export async function modelLogits(
  { engine, options, context }: Pick<TaskWorkspace, 'engine' | 'options' | 'context'>,
  model: Model,
  output: string,
  source: SampleSource<TaskTargets>,
): Promise<Matrix> {
  const program = await engine.load({ model, state: [] })
  try {
    return await logitsOf({
      source,
      size: options.batch,
      signal: context.signal,
      run: async ({ inputs }) => (await program.run(inputs))[output] as HostTensor,
    })
  } finally {
    await program.release()
  }
}

/** The single-task networks as one system: their test logits in the order of the tasks. */
export function testOf(singles: readonly TrainedTasks[]): Matrix[] {
  return singles.flatMap(({ test }) => [...test])
}
