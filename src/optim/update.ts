/**
 * The update of all parameters as a branch: guard, clipping, optimizer chain, learning rates and moving averages; of large weights
 * piece by piece.
 */
import { attr } from '../graph/graph.js'
import { GraphBuilder } from '../ops/builder.js'
import type { HostTensor } from '../runtime/types.js'
import { descend, type FinalStep, globalNorm, type Optimizer, Scalars } from './optimizer.js'
import { STEP, STEP_OUTPUTS, type StateBindings, slotName } from './state.js'
import { tilesOf } from './tiles.js'

export interface TrainedParameter {
  readonly name: string
  readonly dims: readonly number[]
  readonly group: string
}

export interface UpdatePlan {
  readonly split?: boolean
  readonly tiled?: boolean
  readonly phase?: string
  readonly optimizer: Optimizer
  readonly clipNorm?: number
  readonly ema?: number
  readonly parameters: readonly TrainedParameter[]
  readonly decays: (parameter: string) => boolean
}

export const ratesOf = (parameters: readonly TrainedParameter[]) => [...new Set(parameters.map((p) => `lr.${p.group}`))]

/** Names of state that each of several programs on the same weights has for itself. */
export const phaseName = (name: string, phase: string | undefined): string =>
  phase === undefined ? name : `${name}.${phase}`
export const phaseSlot = (slot: string, phase: string | undefined): string =>
  phase === undefined ? slot : `${phase}.${slot}`
const ownSlot = (parameter: string, slot: string, { phase }: Pick<UpdatePlan, 'phase'>): string =>
  slotName(parameter, phaseSlot(slot, phase))

/**
 * Guard, clipping, optimizer chain, learning rates and moving averages for all parameters. The update is a branch of an If on
 * "loss and gradients are finite"; the other branch passes every state on as it was, so that a bad step changes nothing.
 *
 * @param others further states that move only with the weights
 * @param origins where the weights lie that are updated, of those that were moved away
 */
export function appendUpdate(
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
export interface Update {
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
