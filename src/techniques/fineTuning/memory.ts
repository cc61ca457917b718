/**
 * How a training fits into memory: as it is, with part of the forward pass computed twice, or in micro-batches. What each
 * would need is predicted from its program.
 */
import { GraftError } from '../../base/errors.js'
import type { Targets } from '../../data/targets.js'
import type { Model } from '../../graph/graph.js'
import { STEP_OUTPUTS, type TrainingProgram } from '../../optim/trainingProgram.js'
import { arenaPeak } from '../../passes/memory/peak.js'
import { type Recomputed, recompute } from '../../passes/memory/recompute.js'
import { specialise } from '../../passes/specialise.js'
import { batchShapes, largestShapes, type Network, type SampleShapes } from './network.js'
import { objectiveFor } from './objectives/index.js'
import { inferenceProgram, trainingProgram } from './programs.js'
import type { Recomputation, TuningSettings } from './settings.js'

export type MemoryPlan = {
  /** Into how many micro-batches each batch is divided; they add up to the same step. */
  readonly microBatches: number
  readonly recompute: Recomputation | null
  /** Arithmetic that recomputation adds, as a share of the forward pass. */
  readonly share: number
  /** Resident memory of the process at its peak. */
  readonly predictedBytes: number
}

export interface MemoryQuestion {
  readonly network: Network
  /** Of the training samples. */
  readonly targets: Targets
  /** The shapes that samples come in. @default the network's own */
  readonly shapes?: readonly SampleShapes[] | undefined
  readonly settings: TuningSettings
  readonly threads: number
  /** Resident memory before the training. */
  readonly baseline: number
  /** The process may become this large. */
  readonly limit: number
}

/** A prediction may be this much too low and the plan still fits. */
const MARGIN = 1.1
/** Into how many segments the forward pass is tried to be cut. */
const SEGMENTS = [2, 3, 4, 6, 8, 12, 16]

/** The first that fits of: as it is; recomputing as little as possible; the same in ever smaller micro-batches. */
export function planTraining(question: MemoryQuestion): MemoryPlan {
  const { settings, limit } = question
  const fits = (plan: MemoryPlan) => MARGIN * plan.predictedBytes <= limit
  let smallest: MemoryPlan | undefined
  for (const microBatches of divisors(settings.batch)) {
    // Statistics of a smaller batch are not those of the batch that was asked for.
    if (microBatches > 1 && settings.batchNorm === 'train') break
    const plans = plansFor(question, microBatches)
    const plain = plans.next().value as MemoryPlan
    if (fits(plain)) return plain
    const others = [...plans].sort((a, b) => a.share - b.share)
    const found = others.find(fits)
    if (found) return found
    for (const plan of [plain, ...others])
      if (smallest === undefined || plan.predictedBytes < smallest.predictedBytes) smallest = plan
  }
  const least = MARGIN * (smallest?.predictedBytes ?? 0)
  throw new GraftError(
    `Training needs about ${megabytes(least)} of memory at the least, ${
      settings.batchNorm === 'train'
        ? 'with recomputation; micro-batches would change the batch statistics of --batch-norm train'
        : 'one sample at a time and with recomputation'
    }; ${megabytes(limit)} are allowed.`,
    {
      remedy: `Allow it with --memory ${megabytes(least).replace(' ', '')}, train fewer layers with --unfreeze, or take a smaller backbone${
        settings.batchNorm === 'train' ? ', or a smaller --batch' : ''
      }.`,
    },
  )
}

/** The settings with which a plan trains. */
export function withPlan(settings: TuningSettings, plan: MemoryPlan): TuningSettings {
  return {
    ...settings,
    batch: settings.batch / plan.microBatches,
    accumulate: settings.accumulate * plan.microBatches,
    ...(plan.recompute === null ? {} : { recompute: plan.recompute }),
  }
}

/** As it is first, then with recomputation. */
function* plansFor(question: MemoryQuestion, microBatches: number): Generator<MemoryPlan> {
  const { network, targets, threads, baseline } = question
  const { recompute: _, ...plain } = question.settings
  const settings = withPlan(plain, { microBatches, recompute: null, share: 0, predictedBytes: 0 })
  const objective = objectiveFor(targets, settings)
  const shapes = question.shapes ?? [largestShapes(network)]
  // The last epoch of a schedule trains every layer.
  const programs = shapes.map((own) =>
    trainingProgram({ network, first: 0, objective, settings, split: shapes.length > 1 }, own),
  )
  const program = programs[0]!
  const size = Math.max(...shapes.map((own) => sampleBytes(network, own))) * settings.batch
  // Each session has its arena: the step's for each shape, the update's and, after an epoch, the forward passes alone.
  const names = program.parameters.map(({ name }) => name)
  const beside =
    baseline +
    besideTheArenas(program, size) +
    sum(shapes, (own) =>
      arenaPeak(
        inferenceProgram(network, settings.batch, names, program.statistics, settings.ema > 0, own).model.graph,
        { threads },
      ),
    ) +
    (program.apply ? arenaPeak(program.apply.model.graph, { threads }) : 0) +
    sum(settings.methods ?? [], (method) => teacherBytes(method.takes?.().teacher, network, settings.batch, threads))
  const passes = Math.max(1, ...(settings.methods ?? []).map((method) => method.takes?.().passes ?? 1))
  const kept = passes * sum(programs, ({ step }) => arenaPeak(step.model.graph, { threads }))
  yield { microBatches, recompute: null, share: 0, predictedBytes: beside + kept }
  for (const what of ['cheap', 'all'] as const)
    for (const segments of SEGMENTS) {
      const changed = programs.map((own) => recomputed(own, network, { segments, what }))
      if (changed.every((own) => own === undefined)) continue
      const arenas = sum(programs, (own, i) => {
        const { graph, hidden } = changed[i] ?? { graph: own.step.model.graph, hidden: undefined }
        return arenaPeak(graph, { threads, hidden })
      })
      const share = Math.max(...changed.map((own) => own?.share ?? 0))
      yield { microBatches, recompute: { segments, what }, share, predictedBytes: beside + passes * arenas }
    }
}

function recomputed(program: TrainingProgram, network: Network, how: Recomputation): Recomputed | undefined {
  const data = network.inputs.map(({ name }) => name)
  return recompute(program.step.model.graph, { data, loss: STEP_OUTPUTS.loss, ...how })
}

/** A teacher's weights and what it computes of the largest batch. */
function teacherBytes(teacher: Model | 'own' | undefined, network: Network, batch: number, threads: number): number {
  if (teacher === undefined) return 0
  const model = teacher === 'own' ? network.model : teacher
  const shapes = batchShapes(network, largestShapes(network), batch)
  const { builder, value } = specialise(model, { shapes })
  for (const { name } of model.graph.outputs) builder.output(`graft.answer/${name}`, value(name))
  return arenaPeak(builder.model().graph, { threads })
}

function sampleBytes(network: Network, shapes: SampleShapes): number {
  return sum(network.inputs, ({ name, type, sample }) =>
    (shapes[name] ?? sample).reduce((product, d) => product * d, type === 'int64' ? 8 : 4),
  )
}

const sum = <T>(items: readonly T[], value: (item: T, i: number) => number): number =>
  items.reduce((total, item, i) => total + value(item, i), 0)

/** Sessions, threads' stacks and the libraries' own. Measured. */
const RUNTIME_BYTES = 90e6
/** Copies of weights and optimizer state: the present ones, the next, and what they started from. Measured. */
const STATE_COPIES = 2.8
/** Copies of a batch on its way to the worker, and of former ones that wait to be collected. Measured. */
const BATCH_COPIES = 16
const BATCHES_HELD = 4
/** Garbage is collected at the latest when there is this much of it in the two threads. */
const MOST_GARBAGE = 130e6

/** What a training takes in the process besides onnxruntime's arenas. */
function besideTheArenas(program: TrainingProgram, batchBytes: number): number {
  const state = Object.values(program.initialState).reduce((sum, { data }) => sum + data.byteLength, 0)
  const batches = Math.min(BATCH_COPIES * batchBytes, BATCHES_HELD * batchBytes + MOST_GARBAGE)
  return RUNTIME_BYTES + STATE_COPIES * state + batches
}

/** From 1 up. */
function divisors(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0)
}

/** Rounded up. */
const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`
