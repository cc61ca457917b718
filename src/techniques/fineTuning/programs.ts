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
import type { Program, StateBinding } from '../../runtime/types.js'
import { blocksOf } from './domains.js'
import { feed, type LossInputs, lossContext, OwnParameters, stepValues } from './lossContext.js'
import { type DomainRows, fedName, ownName, type Phase, type PreparedMethod } from './method.js'
import { batchShapes, type Domain, largestShapes, type Network, type SampleShapes } from './network.js'
import type { Objective } from './objective.js'
import { makeOptimizer, type TuningSettings } from './settings.js'

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
  /** Batches have a block of rows for each of these. */
  readonly domains?: readonly Domain[] | undefined
}

/** With the weights moved to where the loss is higher, where a method asks for it. */
export interface TuningProgram extends TrainingProgram {
  readonly ascent: Program | undefined
  /** Channels to be chosen at each step. */
  readonly masks: readonly ChannelMask[]
  /** The methods' own updates; their state is in `initialState` and `unsaved` too. */
  readonly phases: readonly PhaseProgram[]
  /** Everything that the main update or a phase moves. */
  readonly moves: readonly string[]
}

export interface PhaseProgram {
  readonly method: PreparedMethod
  readonly phase: Phase
  readonly program: TrainingProgram
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
  const phases = phasesOf(methods).map(({ method, phase }) => {
    const own = compileTraining(trainingOptions(options, shapes, { method, phase }))
    return { method, phase, program: { ...own, step: again(own.step) } }
  })
  const all = [...phases.map((own) => own.program), program]
  return {
    ...program,
    step: again(program.step),
    ascent: ascent && again(ascent),
    masks: compiled.forward.masks ?? [],
    phases,
    moves: [...new Set(all.flatMap(({ parameters }) => parameters.map(({ name }) => name)))],
    unsaved: all.flatMap(({ unsaved }) => unsaved),
    initialState: Object.assign({}, ...all.map(({ initialState }) => initialState)) as TrainingProgram['initialState'],
  }
}

interface OwnPhase {
  readonly method: PreparedMethod
  readonly phase: Phase
}

const phasesOf = (methods: readonly PreparedMethod[]): OwnPhase[] =>
  methods.flatMap((method) => (method.phases ?? []).map((phase) => ({ method, phase })))

/** Of the main step, or of one of the methods' phases. */
function trainingOptions(options: ProgramOptions, shapes: SampleShapes, only?: OwnPhase): TrainingOptions {
  const { network, first, settings, methods = [], split = false } = options
  const layerOf = new Map(network.layers.flatMap((names, layer) => names.map((name) => [name, layer] as const)))
  const layers = network.layers.length
  const blocks = options.domains === undefined ? [] : blocksOf(options.domains, settings.batch)
  const forward = specialise(network.model, {
    shapes: batchShapes(network, shapes, settings.batch),
    outputs: [network.logits, ...methods.flatMap(({ values = [] }) => values)],
    batchNorm: batchNormOf(settings, methods, blocks),
    changes: changesOf(methods),
  })
  const single = settings.layerDecay === 1
  const own = new OwnParameters()
  const ownAffine = forward.ownAffine ?? []
  const copies = new Map(ownAffine.map(({ name, of }) => [name, of]))
  const trains = (parameter: string) => (layerOf.get(copies.get(parameter) ?? parameter) ?? -1) >= first
  const depth = (parameter: string) => layerOf.get(copies.get(parameter) ?? parameter) ?? layers - 1
  const inputs = { network, shapes, batch: settings.batch, domains: blocks, trains }
  const moves = (parameter: string) =>
    trains(parameter) && (only === undefined || only.phase.moves?.(depth(parameter), layers) === true)
  const moving = new Set(forward.statistics.map(({ statistic }) => statistic))
  const shared = phasesOf(methods).length > 0
  return {
    // The main step alone moves the running statistics.
    forward: only === undefined ? forward : { ...forward, statistics: [] },
    loss(g) {
      if (only === undefined) return lossOf(g, forward, options, inputs, own)
      const values = stepValues(forward, network, options.objective)
      const { method, phase } = only
      const loss = g.scope(method.name, () => phase.loss(lossContext(forward, method, values, inputs, own)))
      return { loss, fixed: own.fixed }
    },
    group(parameter) {
      if (!moves(parameter) && !own.trained.has(parameter)) return undefined
      const layer = depth(parameter)
      return {
        // One rate for all is one scalar to feed, and a smaller graph.
        name: groupOf(single ? layers - 1 : layer),
        decays: settings.decay !== 'matrices' || (forward.builder.parameters().get(parameter)?.dims.length ?? 0) > 1,
      }
    },
    reads: (parameter) =>
      own.held.has(parameter) || (shared && (trains(parameter) || (only !== undefined && moving.has(parameter)))),
    ...(only === undefined ? {} : { phase: `${only.method.name}.${only.phase.name}` }),
    optimizer: makeOptimizer(settings),
    ...(settings.clip > 0 ? { clipNorm: settings.clip } : {}),
    ...(settings.ema > 0 && only === undefined ? { ema: settings.ema } : {}),
    accumulate: settings.accumulate > 1,
    split: split && settings.accumulate === 1,
    tiled: true,
  }
}

/** What methods make of values of the network. */
function changesOf(methods: readonly PreparedMethod[]): Map<string, (g: GraphBuilder, value: string) => string> {
  const found = new Map<string, (g: GraphBuilder, value: string) => string>()
  for (const { name: method, changes = {} } of methods)
    for (const [name, change] of Object.entries(changes)) {
      const before = found.get(name)
      found.set(name, (g, value) => {
        const own = before === undefined ? value : before(g, value)
        return g.scope(method, () => change(g, own, (key, dims) => feed(g, fedName(method, key), dims)))
      })
    }
  return found
}

export function batchNormOf(
  settings: TuningSettings,
  methods: readonly PreparedMethod[],
  blocks: readonly DomainRows[] = [],
): BatchNormMode {
  const asked = methods.find(({ batchNorm }) => batchNorm !== undefined)?.batchNorm
  const momentum = BATCH_NORM_MOMENTUM
  if (asked?.kind === 'stochastic') return { kind: 'stochastic', momentum }
  if (asked?.kind === 'domains') return { kind: 'blocks', momentum, blocks, keeps: asked.keeps, affine: asked.affine }
  return settings.batchNorm === 'train' ? { kind: 'train', momentum } : { kind: 'fold' }
}

/** The objective's loss and the methods' terms. */
function lossOf(
  g: GraphBuilder,
  forward: Specialised,
  { network, objective, methods = [] }: ProgramOptions,
  inputs: LossInputs,
  own: OwnParameters,
): Loss {
  const values = stepValues(forward, network, objective)
  const losses = objective.losses?.(g, values.logits, values.targets, values.weights)
  const objectiveLoss =
    losses === undefined
      ? objective.loss(g, values.logits, values.targets, values.weights)
      : g.op('ReduceSum', [losses, g.ints([0])], { keepdims: attr.int(0) })
  const contextOf = (method: PreparedMethod) => lossContext(forward, method, values, inputs, own)
  const remembers: Record<string, string> = {}
  let factor = g.float(1)
  const terms: string[] = []
  for (const method of methods) {
    const term = method.loss && g.scope(method.name, () => method.loss?.(contextOf(method)))
    if (term === undefined) continue
    if (term.own !== undefined && term.own !== 1)
      factor = g.op('Mul', [factor, typeof term.own === 'number' ? g.float(term.own) : term.own])
    terms.push(term.add)
    for (const [name, value] of Object.entries(term.remembers ?? {})) remembers[ownName(method.name, name)] = value
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
      fixed: own.fixed,
    }
  if (terms.length === 0 && losses === undefined) return { loss: objectiveLoss }
  const main = combined?.loss ?? objectiveLoss
  const scaled = factor === g.float(1) ? main : g.op('Mul', [main, factor])
  const loss = terms.reduce((sum, term) => g.op('Add', [sum, term]), scaled)
  return { loss, extras: { [OWN_LOSS]: objectiveLoss, ...extras }, fixed: own.fixed, remembers }
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
  return inferenceWith(network, batch, shapes, presentState(trained, statistics, average))
}

/** Where the present weights lie. */
export const presentState = (
  trained: readonly string[],
  statistics: readonly string[],
  average: boolean,
): StateBinding[] => [
  ...trained.map((input) => ({ name: average ? slotName(input, 'ema') : input, input })),
  ...statistics.map((input) => ({ name: input, input })),
]

/**
 * The logits with these parameters read from the state store.
 *
 * @param more further values of the network, by the name under which they are given out
 */
export function inferenceWith(
  network: Network,
  batch: number,
  shapes: SampleShapes,
  state: readonly StateBinding[],
  more: Readonly<Record<string, string>> = {},
): Program {
  const forward = specialise(network.model, {
    shapes: batchShapes(network, shapes, batch),
    outputs: [network.logits, ...Object.values(more)],
    batchNorm: { kind: 'fold' },
  })
  const g = forward.builder
  for (const { input } of state) g.parameterToInput(input)
  g.output('logits', forward.value(network.logits))
  for (const [name, value] of Object.entries(more)) g.output(name, forward.value(value))
  return { model: g.model(), state }
}
