/** The programs of fine-tuning: the training step over the layers that train, and the forward pass with the same weights. */
import { UsageError } from '../../base/errors.js'
import { attr } from '../../graph/graph.js'
import type { GraphBuilder } from '../../ops/builder.js'
import {
  compileAscent,
  compileTraining,
  type Loss,
  STEP_OUTPUTS,
  slotName,
  type TrainingOptions,
  type TrainingProgram,
} from '../../optim/trainingProgram.js'
import type { ChannelMask } from '../../passes/batchNorm.js'
import { recompute } from '../../passes/memory/recompute.js'
import { type BatchNormMode, type Specialised, specialise } from '../../passes/specialise.js'
import type { HostTensor, Program, StateBinding } from '../../runtime/types.js'
import { fedName, type LossContext, ownName, type PreparedMethod, taughtName } from './method.js'
import { batchShapes, largestShapes, type Network, type SampleShapes } from './network.js'
import type { Objective } from './objective.js'
import { makeOptimizer, type TuningSettings } from './settings.js'
import { teacherShapes } from './teacher.js'

/** Names of the step's feeds. A program takes those of them that its loss reads. */
export const TARGETS = 'graft.targets'
export const WEIGHTS = 'graft.weights'
export const PLACES = 'graft.places'
export const ROWS = 'graft.rows'
export const SHARE = 'graft.share'

/** The objective's own part of the loss, where there are others. */
export const OWN_LOSS = 'graft.own_loss'

/** Of several tasks: the loss of each, (K), and what it was multiplied by. */
export const TASK_LOSSES = 'graft.task_losses'
export const TASK_WEIGHTS = 'graft.task_weights'

/** PyTorch's default for batch norm. */
const BATCH_NORM_MOMENTUM = 0.1

export const groupOf = (layer: number): string => `layer${layer}`

/** What decides a training program. */
export interface ProgramOptions {
  readonly network: Network
  /** The first layer that trains; all after it do. */
  readonly first: number
  readonly objective: Objective
  readonly settings: TuningSettings
  readonly methods?: readonly PreparedMethod[]
  /** Batches come in several shapes: their programs share one update. @default false */
  readonly split?: boolean
}

/** With the weights moved to where the loss is higher, where a method asks for it. */
export interface TuningProgram extends TrainingProgram {
  readonly ascent: Program | undefined
  /** Channels to be chosen at each step. */
  readonly masks: readonly ChannelMask[]
}

/** The step (and, when accumulating, the update) with the layers from `first` on trainable, on samples of these shapes. */
export function trainingProgram(options: ProgramOptions, shapes = largestShapes(options.network)): TuningProgram {
  const { network, settings, methods = [] } = options
  const rho = methods.find(({ sharpness }) => sharpness !== undefined)?.sharpness
  const compiled = trainingOptions(options, shapes)
  const program = compileTraining({ ...compiled, fromOrigin: rho !== undefined })
  const again = (own: Program): Program => {
    if (settings.recompute === undefined) return own
    const data = network.inputs.map(({ name }) => name)
    const changed = recompute(own.model.graph, { data, loss: STEP_OUTPUTS.loss, ...settings.recompute })
    return changed === undefined ? own : { ...own, model: { ...own.model, graph: changed.graph } }
  }
  const ascent = rho === undefined ? undefined : compileAscent(trainingOptions(options, shapes), rho)
  return { ...program, step: again(program.step), ascent: ascent && again(ascent), masks: compiled.forward.masks ?? [] }
}

function trainingOptions(
  { network, first, objective, settings, methods = [], split = false }: ProgramOptions,
  shapes: SampleShapes,
): TrainingOptions {
  const layerOf = new Map(network.layers.flatMap((names, layer) => names.map((name) => [name, layer] as const)))
  const last = network.layers.length - 1
  const forward = specialise(network.model, {
    shapes: batchShapes(network, shapes, settings.batch),
    outputs: [network.logits, ...methods.flatMap(({ values = [] }) => values)],
    batchNorm: batchNormOf(settings, methods),
  })
  const single = settings.layerDecay === 1
  const own = new Set<string>()
  const trains = (parameter: string) => (layerOf.get(parameter) ?? -1) >= first
  return {
    forward,
    loss: (g) => lossOf(g, { network, first, objective, settings, methods }, shapes, forward, trains, own),
    group(parameter) {
      if (!trains(parameter) && !own.has(parameter)) return undefined
      const layer = layerOf.get(parameter) ?? last
      return {
        // One rate for all is one scalar to feed, and a smaller graph.
        name: groupOf(single ? last : layer),
        decays: settings.decay !== 'matrices' || (forward.builder.parameters().get(parameter)?.dims.length ?? 0) > 1,
      }
    },
    optimizer: makeOptimizer(settings),
    ...(settings.clip > 0 ? { clipNorm: settings.clip } : {}),
    ...(settings.ema > 0 ? { ema: settings.ema } : {}),
    accumulate: settings.accumulate > 1,
    split: split && settings.accumulate === 1,
    tiled: true,
  }
}

export function batchNormOf(settings: TuningSettings, methods: readonly PreparedMethod[]): BatchNormMode {
  const stochastic = methods.some(({ batchNorm }) => batchNorm !== undefined)
  if (stochastic) return { kind: 'stochastic', momentum: BATCH_NORM_MOMENTUM }
  return settings.batchNorm === 'train' ? { kind: 'train', momentum: BATCH_NORM_MOMENTUM } : { kind: 'fold' }
}

/** The objective's loss and the methods' terms. */
function lossOf(
  g: GraphBuilder,
  { network, objective, settings, methods = [] }: ProgramOptions,
  shapes: SampleShapes,
  forward: Specialised,
  trains: (parameter: string) => boolean,
  own: Set<string>,
): Loss {
  const logits = forward.value(network.logits)
  const shape = g.shape(logits)
  const feed = (name: string, dims: readonly number[]) =>
    g.has(name) ? name : g.input(name, { type: 'float32', shape: dims })
  const targets = feed(TARGETS, shape)
  const { tasks } = objective
  const weights = feed(WEIGHTS, tasks ? [...shape.slice(0, -1), tasks.length] : shape.slice(0, -1))
  const losses = objective.losses?.(g, logits, targets, weights)
  const objectiveLoss =
    losses === undefined
      ? objective.loss(g, logits, targets, weights)
      : g.op('ReduceSum', [losses, g.ints([0])], { keepdims: attr.int(0) })
  const fixed: Record<string, HostTensor> = {}
  const trained = [...g.parameters()].flatMap(([name, { type }]) => (trains(name) && type === 'float32' ? [name] : []))
  const contextOf = (method: PreparedMethod): LossContext => {
    const taught = method.teacher && teacherShapes(method.teacher, network, shapes, settings.batch)
    return {
      g,
      logits,
      targets,
      weights,
      get places() {
        return feed(PLACES, shape.slice(0, -1))
      },
      get rows() {
        return feed(ROWS, [settings.batch])
      },
      get share() {
        return feed(SHARE, [])
      },
      value: (name) => forward.value(name),
      fixed(name) {
        const state = ownName(method.name, name)
        const tensor = method.fixed?.[name] as HostTensor
        fixed[state] = tensor
        return feed(state, tensor.dims)
      },
      feed: (name, dims) => feed(fedName(method.name, name), dims),
      taught: (output) => feed(taughtName(method.name, output), taught?.[output] as readonly number[]),
      trained,
      parameter(name, start) {
        const parameter = ownName(method.name, name)
        own.add(parameter)
        return g.has(parameter) ? parameter : g.parameter(parameter, start)
      },
    }
  }
  let factor = 1
  const terms: string[] = []
  for (const method of methods) {
    const term = method.loss && g.scope(method.name, () => method.loss?.(contextOf(method)))
    if (term === undefined) continue
    factor *= term.own ?? 1
    terms.push(term.add)
  }
  const combining = methods.find(({ combine }) => combine !== undefined)
  const combined =
    losses === undefined || combining === undefined
      ? undefined
      : g.scope(combining.name, () => combining.combine?.(contextOf(combining), losses))
  if (combined?.gradients !== undefined && terms.length > 0)
    throw new UsageError(
      `The method ${combining?.name} decides the gradients of the tasks; terms of other methods cannot be added to them.`,
      { remedy: 'Choose a method that weighs the losses, or leave the other methods out.' },
    )
  const extras = losses && { [TASK_LOSSES]: losses, ...(combined && { [TASK_WEIGHTS]: combined.weights }) }
  if (combined?.gradients !== undefined)
    return {
      loss: combined.loss,
      gradients: combined.gradients,
      extras: { [OWN_LOSS]: objectiveLoss, ...extras },
      fixed,
    }
  if (terms.length === 0 && losses === undefined) return { loss: objectiveLoss }
  const main = combined?.loss ?? objectiveLoss
  const scaled = factor === 1 ? main : g.op('Mul', [main, g.float(factor)])
  const loss = terms.reduce((sum, term) => g.op('Add', [sum, term]), scaled)
  return { loss, extras: { [OWN_LOSS]: objectiveLoss, ...extras }, fixed }
}

/** The logits with the weights of the state store; `average` takes the moving averages of those in `trained`. */
export function inferenceProgram(
  network: Network,
  batch: number,
  trained: readonly string[],
  statistics: readonly string[],
  average: boolean,
  shapes: SampleShapes = largestShapes(network),
): Program {
  return inferenceWith(network, batch, shapes, [
    ...trained.map((input) => ({ name: average ? slotName(input, 'ema') : input, input })),
    ...statistics.map((input) => ({ name: input, input })),
  ])
}

/** The logits with these parameters read from the state store. */
export function inferenceWith(
  network: Network,
  batch: number,
  shapes: SampleShapes,
  state: readonly StateBinding[],
): Program {
  const forward = specialise(network.model, {
    shapes: batchShapes(network, shapes, batch),
    outputs: [network.logits],
    batchNorm: { kind: 'fold' },
  })
  const g = forward.builder
  for (const { input } of state) g.parameterToInput(input)
  g.output('logits', forward.value(network.logits))
  return { model: g.model(), state }
}
