/**
 * The training program: forward pass, loss, backward pass, guard, clipping and optimizer as one plain ONNX graph. Weights and
 * optimizer state are inputs and outputs; what does not train stays inside as a constant.
 */
import { differentiate } from '../autodiff/differentiate.js'
import { InternalError } from '../base/errors.js'
import { attr } from '../graph/graph.js'
import { sizeOf, type Tensor } from '../graph/tensor.js'
import { GraphBuilder } from '../ops/builder.js'
import type { Specialised } from '../passes/specialise.js'
import type { HostTensor, Program, StateBinding } from '../runtime/types.js'
import { descend, type FinalStep, globalNorm, type Optimizer, Scalars } from './optimizer.js'
import { tilesOf } from './tiles.js'

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

export interface TrainedParameter {
  readonly name: string
  readonly dims: readonly number[]
  readonly group: string
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

/** Name of the state in which an optimizer slot of a parameter lies. */
export const slotName = (parameter: string, slot: string): string => `${parameter}.${slot}`

/** What a step gives out besides state: scalars, `finite` being 1 or 0. The prefix keeps them apart from a network's values. */
export const STEP_OUTPUTS = { loss: 'graft.loss', gradientNorm: 'graft.gradient_norm', finite: 'graft.finite' } as const

/** Name of the state that counts the steps that changed something. */
export const STEP = 'graft.step'

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

/** Which state each input and output stands for. */
class StateBindings {
  bindings: StateBinding[] = []
  readonly values: Record<string, HostTensor> = {}

  initial(name: string, tensor: Tensor): void {
    this.values[name] = { type: 'float32', dims: tensor.dims, data: tensor.data as Float32Array }
  }

  zeros(name: string, dims: readonly number[]): void {
    this.values[name] = { type: 'float32', dims, data: new Float32Array(sizeOf(dims)) }
    this.input(name)
  }

  input(name: string): void {
    if (!this.bindings.some((b) => b.input === name)) this.bindings.push({ name, input: name })
  }

  update(g: GraphBuilder, name: string, value: string): void {
    const output = `${name}.next`
    g.output(output, value)
    this.bindings = this.bindings.map((b) => (b.name === name ? { ...b, output } : b))
  }
}

interface UpdatePlan {
  readonly split?: boolean
  readonly tiled?: boolean
  readonly phase?: string
  readonly optimizer: Optimizer
  readonly clipNorm?: number
  readonly ema?: number
  readonly parameters: readonly TrainedParameter[]
  readonly decays: (parameter: string) => boolean
}

const ratesOf = (parameters: readonly TrainedParameter[]) => [...new Set(parameters.map((p) => `lr.${p.group}`))]

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

/** Names of state that each of several programs on the same weights has for itself. */
const phaseName = (name: string, phase: string | undefined): string => (phase === undefined ? name : `${name}.${phase}`)
const phaseSlot = (slot: string, phase: string | undefined): string => (phase === undefined ? slot : `${phase}.${slot}`)
const ownSlot = (parameter: string, slot: string, { phase }: Pick<UpdatePlan, 'phase'>): string =>
  slotName(parameter, phaseSlot(slot, phase))

/**
 * Guard, clipping, optimizer chain, learning rates and moving averages for all parameters. The update is a branch of an If on
 * "loss and gradients are finite"; the other branch passes every state on as it was, so that a bad step changes nothing.
 *
 * @param others further states that move only with the weights
 * @param origins where the weights lie that are updated, of those that were moved away
 */
function appendUpdate(
  g: GraphBuilder,
  plan: UpdatePlan,
  gradients: ReadonlyMap<string, string>,
  state: StateBindings,
  loss: string,
  others: readonly Update[],
  origins: ReadonlyMap<string, string> = new Map(),
): void {
  const norm = globalNorm(
    g,
    plan.parameters.map((p) => gradients.get(p.name) as string),
  )
  const suspects = g.op('Add', [norm, g.op('Mul', [loss, g.float(0)])])
  const finite = g.op('Not', [g.op('Or', [g.op('IsNaN', [suspects]), g.op('IsInf', [suspects])])])
  g.output(STEP_OUTPUTS.gradientNorm, norm)
  g.output(STEP_OUTPUTS.finite, g.op('Cast', [finite], { to: attr.int(1) }))

  const branch = new GraphBuilder('update', 'update/')
  // Two parameters of one sum have one gradient between them.
  const capture = (name: string) => (branch.has(name) ? name : branch.captured(name, g.typeOf(name)))
  const stateInput = (name: string, dims: readonly number[]) => {
    g.input(name, { type: 'float32', shape: dims })
    return capture(name)
  }
  const updates: Update[] = others.map(({ name, value, otherwise }) => ({
    name,
    value: capture(value),
    ...(otherwise === undefined ? {} : { otherwise }),
  }))
  const set = (name: string, value: string) => {
    updates.push({ name, value })
  }

  const counter = phaseName(STEP, plan.phase)
  const stepBefore = stateInput(counter, [])
  state.zeros(counter, [])
  const step = branch.op('Add', [stepBefore, branch.float(1)])
  set(counter, step)
  for (const rate of ratesOf(plan.parameters)) stateInput(rate, [])
  const clip = plan.clipNorm === undefined ? undefined : clipFactor(branch, capture(norm), plan.clipNorm)
  const scalars = new Scalars(branch)

  for (const { name, dims, group } of plan.parameters) {
    const tiles = plan.tiled ? tilesOf(dims) : undefined
    const shape = tiles ?? dims
    const shaped = (value: string) =>
      capture(tiles === undefined || sameShape(g.shape(value), shape) ? value : g.op('Reshape', [value, g.ints(shape)]))
    const last = plan.optimizer.step ?? descend
    const slots = [...plan.optimizer.pieces, last]
      .flatMap((piece) => piece.slots)
      .map((slot) => ownSlot(name, slot, plan))
    const origin = shaped(origins.get(name) ?? name)
    const gradient = shaped(gradients.get(name) as string)
    for (const slot of slots) {
      stateInput(slot, shape)
      state.zeros(slot, dims)
    }
    const average = plan.ema === undefined ? undefined : stateInput(slotName(name, 'ema'), shape)
    if (average !== undefined) {
      const start = state.values[name] as HostTensor
      state.values[average] = { ...start, data: Float32Array.from(start.data as Float32Array) }
      state.input(average)
    }
    const rule: UpdateRule = {
      plan: { ...plan, last },
      parameter: name,
      step,
      rate: `lr.${group}`,
      clip,
      scalars,
      averages: average !== undefined,
    }
    const own = average === undefined ? slots : [...slots, average]
    const taken = { origin, gradient, states: new Map(own.map((slot) => [slot, slot])) }
    const next = branch.scope(name, () =>
      tiles === undefined ? updateOf(branch, rule, taken, (scalar) => scalar) : tiledUpdate(branch, rule, taken, tiles),
    )
    for (const [value, updated] of next)
      updates.push(value === name ? { name, value: updated, otherwise: origin } : { name: value, value: updated })
  }
  chooseBranch(g, branch, finite, updates, state)
}

/** How one parameter is updated. */
interface UpdateRule {
  readonly plan: Pick<UpdatePlan, 'optimizer' | 'decays' | 'ema' | 'phase'> & { readonly last: FinalStep }
  readonly parameter: string
  readonly step: string
  readonly rate: string
  readonly clip: string | undefined
  readonly scalars: Scalars
  readonly averages: boolean
}

/** The values that an update reads, all of one shape. */
interface UpdateInputs {
  readonly origin: string
  readonly gradient: string
  /** By the name of the state. */
  readonly states: ReadonlyMap<string, string>
}

/** Appends the update of a weight, or of a piece of it; gives the next value of each state. */
function updateOf(
  g: GraphBuilder,
  { plan, parameter, step, rate, clip, scalars, averages }: UpdateRule,
  { origin, gradient, states }: UpdateInputs,
  local: (scalar: string) => string,
  nextName = updatedName,
): Map<string, string> {
  const next = new Map<string, string>()
  let update = clip === undefined ? gradient : g.op('Mul', [gradient, local(clip)])
  const context = {
    g,
    parameter: origin,
    step,
    rate,
    scalars,
    local,
    decays: plan.decays(parameter),
    slot: (slot: string) => states.get(ownSlot(parameter, slot, plan)) as string,
    setSlot: (slot: string, value: string) => {
      next.set(ownSlot(parameter, slot, plan), value)
    },
    nextOf: (slot: string) => nextName(ownSlot(parameter, slot, plan)),
  }
  for (const piece of plan.optimizer.pieces) update = piece.apply(update, context)
  const weight = plan.last.apply(update, context)
  next.set(parameter, weight)
  const average = slotName(parameter, 'ema')
  if (averages) next.set(average, movingAverage(g, states.get(average) as string, weight, plan.ema as number))
  return next
}

/** The same piece by piece. */
function tiledUpdate(
  g: GraphBuilder,
  rule: UpdateRule,
  { origin, gradient, states }: UpdateInputs,
  [, elements]: readonly [pieces: number, elements: number],
): Map<string, string> {
  const body = new GraphBuilder('tile', `${rule.parameter}/tile/`)
  // A body must not repeat a name of the graphs around it.
  const inside = (name: string) => `${name}.tile`
  const piece = (name: string) => body.input(name, { type: 'float32', shape: [elements] })
  const inner = {
    origin: piece(inside(rule.parameter)),
    gradient: piece(inside(slotName(rule.parameter, 'gradient'))),
    states: new Map([...states.keys()].map((name) => [name, piece(inside(name))])),
  }
  const nextName = (name: string) => updatedName(inside(name))
  const local = (scalar: string) => (body.has(scalar) ? scalar : body.captured(scalar, g.typeOf(scalar)))
  const next = updateOf(body, rule, inner, local, nextName)
  for (const [name, value] of next) body.output(nextName(name), value)
  const outputs = [...next.keys()].map(updatedName)
  g.multi(
    'Scan',
    [origin, gradient, ...states.values()],
    { body: { kind: 'graph', value: body.graph() }, num_scan_inputs: attr.int(2 + states.size) },
    outputs.length,
    { outputs },
  )
  return new Map([...next.keys()].map((name) => [name, updatedName(name)]))
}

const sameShape = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((d, i) => d === b[i])

/** What a state's new value is called inside the branch. */
const updatedName = (state: string): string => `${state}.updated`

/** What a state becomes after a good step, and after a bad one where that is not what it was. */
interface Update {
  readonly name: string
  readonly value: string
  readonly otherwise?: string
}

/** if (finite) every state takes its new value, else the one before the step. */
function chooseBranch(
  g: GraphBuilder,
  branch: GraphBuilder,
  finite: string,
  updates: readonly Update[],
  state: StateBindings,
): void {
  const unchanged = new GraphBuilder('unchanged', 'unchanged/')
  const capture = (name: string) => (unchanged.has(name) ? name : unchanged.captured(name, g.typeOf(name)))
  for (const { name, value, otherwise } of updates) {
    branch.output(updatedName(name), value)
    unchanged.output(`${name}.unchanged`, capture(otherwise ?? name))
  }
  const attributes = {
    then_branch: { kind: 'graph', value: branch.graph() },
    else_branch: { kind: 'graph', value: unchanged.graph() },
  } as const
  const next = g.multi('If', [finite], attributes, updates.length, {
    outputs: updates.map(({ name }) => `${name}.next`),
  })
  updates.forEach(({ name }, i) => {
    state.update(g, name, next[i] as string)
  })
}

/** average <- decay average + (1 - decay) weight, starting from the weight before the first step. */
const movingAverage = (g: GraphBuilder, average: string, next: string, decay: number): string =>
  g.op('Add', [g.op('Mul', [average, g.float(decay)]), g.op('Mul', [next, g.float(1 - decay)])])

/** min(1, clip / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_. */
function clipFactor(g: GraphBuilder, norm: string, clip: number): string {
  return g.op('Min', [g.op('Div', [g.float(clip), g.op('Add', [norm, g.float(1e-6)])]), g.float(1)])
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
