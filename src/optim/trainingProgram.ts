/**
 * The training program: forward pass, loss, backward pass, guard, clipping and optimizer as one plain ONNX graph. Weights and
 * optimizer state are inputs and outputs; what does not train stays inside as a constant.
 */
import { differentiate } from '../autodiff/differentiate.js'
import { InternalError } from '../base/errors.js'
import type { Tensor } from '../graph/tensor.js'
import { GraphBuilder } from '../ops/builder.js'
import type { Specialised } from '../passes/specialise.js'
import type { HostTensor, Program } from '../runtime/types.js'
import { globalNorm, type Optimizer } from './optimizer.js'
import { STEP_OUTPUTS, StateBindings, slotName } from './state.js'
import { tilesOf } from './tiles.js'
import {
  appendUpdate,
  phaseName,
  phaseSlot,
  ratesOf,
  type TrainedParameter,
  type Update,
  type UpdatePlan,
} from './update.js'

export { STEP, STEP_OUTPUTS, slotName } from './state.js'
export type { TrainedParameter } from './update.js'

/** A parameter group: its own learning rate (a scalar fed at each step), with or without weight decay. */
export interface ParameterGroup {
  readonly name: string
  /** @default true */
  readonly decays?: boolean
}

export interface TrainingOptions {
  /** The forward graph with static shapes; it is appended to. */
  readonly forward: Specialised
  /** Appends the loss (a scalar) and what comes with it. */
  readonly loss: (g: GraphBuilder) => Loss
  /** The group of each parameter; undefined freezes it. */
  readonly group: (parameter: string) => ParameterGroup | undefined
  readonly optimizer: Optimizer
  /** Largest global norm of the gradients. */
  readonly clipNorm?: number
  /** Decay of an exponential moving average of the weights, kept as state `<parameter>.ema`. */
  readonly ema?: number
  /** Split a step into micro-batches: programs `accumulate` and `apply` take the place of `step`. */
  readonly accumulate?: boolean
  /**
   * The same two programs where nothing accumulates: several programs that differ in the shape of a batch then share one
   * update, and its memory. The gradients of the last run of `step` are what `apply` takes.
   */
  readonly split?: boolean
  /**
   * Large weights are updated in pieces that fit a cache: less memory, and less time. The programs then take and give some states
   * in another shape: the same numbers in the same order.
   */
  readonly tiled?: boolean
  /** The gradient is taken at weights that {@link compileAscent} moved; what is updated is `<parameter>.origin`. */
  readonly fromOrigin?: boolean
  /** What does not train here but is moved by another program on the same state, from which it is read. @default nothing */
  readonly reads?: (parameter: string) => boolean
  /** Keeps the optimizer state of one of several programs that move the same weights apart. @default that of the only one */
  readonly phase?: string
}

export interface Loss {
  /** A scalar. */
  readonly loss: string
  /** What else the step gives out, by name: the logits, parts of the loss. */
  readonly extras?: Readonly<Record<string, string>>
  /** Appends the gradients of these parameters (of those that have one) where they are other than those of `loss`. */
  readonly gradients?: (parameters: readonly string[]) => Map<string, string>
  /** Inputs that `loss` declared and that stay the same: state of these names, with these values. */
  readonly fixed?: Readonly<Record<string, HostTensor>>
  /** Parameters that `loss` declared, which do not train but become these values with each good step. */
  readonly remembers?: Readonly<Record<string, string>>
}

export interface TrainingProgram {
  /** Forward, backward and update in one; or forward and backward only, when accumulating. */
  readonly step: Program
  /** The update from accumulated gradients. */
  readonly apply: Program | undefined
  readonly parameters: readonly TrainedParameter[]
  /** Names of state that is the same before every step, or is written before it is read: it need not be saved. */
  readonly unsaved: readonly string[]
  /** Names of batch-norm statistics that training moves (train-mode batch norm). */
  readonly statistics: readonly string[]
  /** Scalar feeds: `lr.<group>`. */
  readonly rates: readonly string[]
  /** Everything in the state store, with its value before the first step. */
  readonly initialState: Readonly<Record<string, HostTensor>>
}

/** Name of the state that sums the losses of micro-batches. */
const LOSSES = 'graft.losses'

/** Slot in which the weights lie while they are moved. */
const ORIGIN = 'origin'

export function compileTraining(options: TrainingOptions): TrainingProgram {
  const { g, loss, extras, fixed, found, parameters, groups, state, remembers } = differentiated(options)
  const plan: UpdatePlan = { ...options, parameters, decays: (name) => groups.get(name)?.decays ?? true }
  const origins = new Map<string, string>()
  if (options.fromOrigin)
    for (const { name, dims } of parameters) {
      const origin = g.input(slotName(name, ORIGIN), { type: 'float32', shape: dims })
      const start = state.values[name] as HostTensor
      state.values[origin] = { ...start, data: Float32Array.from(start.data as Float32Array) }
      state.input(origin)
      origins.set(name, origin)
    }
  const ownStatistics = bindStatistics(options.forward, state)
  const statistics = ownStatistics.map(({ name }) => name)
  const moved = [...ownStatistics, ...bindMemories(g, remembers, state)]
  g.output(STEP_OUTPUTS.loss, g.op('Identity', [loss]))
  for (const [name, value] of Object.entries(extras ?? {})) g.output(name, value)

  if (!options.accumulate && !options.split) {
    for (const { name } of parameters) state.input(name)
    appendUpdate(g, plan, found, state, loss, moved, origins)
    return {
      step: { model: g.model(), state: state.bindings },
      apply: undefined,
      parameters,
      unsaved: [...fixed, ...origins.values()],
      statistics,
      rates: ratesOf(parameters),
      initialState: state.values,
    }
  }

  // A Reshape in front of an output of the graph is a copy, and a state may be given in any shape.
  const given = (value: string) => {
    const producer = options.tiled ? g.producerOf(value) : undefined
    return producer?.opType === 'Reshape' ? (producer.inputs[0] as string) : value
  }
  const sum = (name: string, dims: readonly number[], value: string) => {
    const total = g.input(name, { type: 'float32', shape: dims })
    state.zeros(total, dims)
    state.update(g, total, options.split ? g.op('Identity', [given(value)]) : g.op('Add', [total, value]))
    return total
  }
  const sums = [sum(phaseName(LOSSES, options.phase), [], loss)]
  for (const { name, dims } of parameters) {
    state.input(name)
    sums.push(sum(slotName(name, phaseSlot('accumulated', options.phase)), dims, found.get(name) as string))
    const origin = origins.get(name)
    if (origin !== undefined) state.update(g, name, g.op('Identity', [origin]))
  }
  for (const { name, value } of moved) state.update(g, name, value)
  const step = { model: g.model(), state: state.bindings }
  const applied = applyProgram(
    plan,
    state,
    moved.map(({ name }) => name),
  )
  return {
    step,
    apply: applied,
    parameters,
    unsaved: [...fixed, ...origins.values(), ...sums],
    statistics,
    rates: ratesOf(parameters),
    initialState: state.values,
  }
}

/**
 * The first half of a step of sharpness-aware minimisation (Foret et al. 2021): w <- w + rho g / norm(g), the place within rho
 * of w where the loss is highest to first order; w itself goes to `<parameter>.origin`. Where loss or gradient is not finite the
 * weights stay, and so will the second half find them. It gives out what comes with the loss.
 *
 * @param options as the second half was compiled with, which has to be {@link TrainingOptions.fromOrigin}
 */
export function compileAscent(options: TrainingOptions, rho: number): Program {
  const { g, loss, extras, found, parameters, state, remembers } = differentiated(options)
  bindMemories(g, remembers, state)
  for (const [name, value] of Object.entries(extras ?? {})) g.output(name, value)
  const gradients = parameters.map(({ name }) => found.get(name) as string)
  const norm = globalNorm(g, gradients)
  const suspects = g.op('Add', [norm, g.op('Mul', [loss, g.float(0)])])
  const bad = g.op('Or', [g.op('IsNaN', [suspects]), g.op('IsInf', [suspects])])
  const scale = g.op('Div', [g.float(rho), g.op('Add', [norm, g.float(1e-12)])])
  parameters.forEach(({ name, dims }, i) => {
    const moved = g.op('Add', [name, g.op('Mul', [gradients[i] as string, scale])])
    state.input(name)
    state.update(g, name, g.op('Where', [bad, name, moved]))
    const origin = slotName(name, ORIGIN)
    // Only written: a state that a program does not read is bound to an input all the same.
    state.input(g.input(origin, { type: 'float32', shape: dims }))
    state.update(g, origin, g.op('Identity', [name]))
  })
  return { model: g.model(), state: state.bindings }
}

/** The graph with its loss and the gradients of what trains, whose weights have become inputs. */
function differentiated(options: TrainingOptions) {
  const g = options.forward.builder
  const { loss, extras, fixed = {}, remembers = {}, gradients } = options.loss(g)
  const groups = new Map<string, ParameterGroup>()
  const weights = new Map<string, Tensor>()
  for (const [name, tensor] of g.parameters()) {
    const group = options.group(name)
    if (group && tensor.type === 'float32') {
      groups.set(name, group)
      weights.set(name, tensor)
    }
  }
  const names = [...groups.keys()]
  const found = gradients?.(names) ?? differentiate(g, new Map([[loss, g.float(1)]]), names)
  const parameters = [...found.keys()].map((name) => ({
    name,
    dims: g.shape(name),
    group: groups.get(name)?.name ?? '',
  }))
  if (parameters.length === 0) throw new InternalError('no trainable parameter influences the loss')
  for (const { name } of parameters) g.parameterToInput(name)
  const state = new StateBindings()
  for (const { name } of parameters) state.initial(name, weights.get(name) as Tensor)
  for (const [name, tensor] of [...g.parameters()]) {
    if (!options.reads?.(name) || Object.hasOwn(remembers, name)) continue
    g.parameterToInput(name)
    state.initial(name, tensor)
    state.input(name)
  }
  for (const [name, tensor] of Object.entries(fixed)) {
    // A copy: states that shared an array would be overwritten together.
    state.values[name] = { ...tensor, data: tensor.data.slice() }
    state.input(name)
  }
  return { g, loss, extras, fixed: Object.keys(fixed), found, parameters, groups, state, remembers }
}

/** Makes state of the running statistics that a train-mode batch norm moves; returns what they move to. */
function bindStatistics(forward: Specialised, state: StateBindings): Update[] {
  const g = forward.builder
  return forward.statistics.map(({ statistic, value }) => {
    state.initial(statistic, g.parameters().get(statistic) as Tensor)
    g.parameterToInput(statistic)
    state.input(statistic)
    return { name: statistic, value }
  })
}

/** The same for what a loss remembers from step to step. */
function bindMemories(g: GraphBuilder, remembers: Readonly<Record<string, string>>, state: StateBindings): Update[] {
  return Object.entries(remembers).map(([name, value]) => {
    state.initial(name, g.parameters().get(name) as Tensor)
    g.parameterToInput(name)
    state.input(name)
    return { name, value }
  })
}

/**
 * The update as a program of its own: reads the accumulated gradients and losses and sets them back to zero (unless they are
 * written before they are read again). Statistics, which
 * every micro-batch has moved, are taken back to where the last good step left them (`<statistic>.kept`) after a bad one.
 */
function applyProgram(plan: UpdatePlan, values: StateBindings, statistics: readonly string[]): Program {
  const g = new GraphBuilder('apply')
  const state = new StateBindings()
  const sums: string[] = []
  const input = (name: string, dims: readonly number[]) => {
    g.input(name, { type: 'float32', shape: (plan.tiled ? tilesOf(dims) : undefined) ?? dims })
    state.input(name)
    return name
  }
  const sumInput = (name: string, dims: readonly number[]) => {
    state.zeros(name, dims)
    sums.push(name)
    return input(name, dims)
  }
  const gradients = new Map<string, string>()
  for (const { name, dims } of plan.parameters) {
    state.values[input(name, dims)] = values.values[name] as HostTensor
    gradients.set(name, sumInput(slotName(name, phaseSlot('accumulated', plan.phase)), dims))
  }
  const loss = sumInput(phaseName(LOSSES, plan.phase), [])
  const others = statistics.flatMap((name): Update[] => {
    const start = values.values[name] as HostTensor
    const kept = input(slotName(name, 'kept'), start.dims)
    state.values[kept] = { ...start, data: Float32Array.from(start.data as Float32Array) }
    input(name, start.dims)
    return [
      { name: kept, value: name },
      { name, value: name, otherwise: kept },
    ]
  })
  appendUpdate(g, plan, gradients, state, loss, others)
  if (!plan.split) for (const name of sums) state.update(g, name, g.op('Expand', [g.float(0), g.ints(g.shape(name))]))
  Object.assign(values.values, state.values)
  return { model: g.model(), state: state.bindings }
}
