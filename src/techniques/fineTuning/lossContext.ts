/** What a method's loss is given to build with: the step's feeds, the method's own tensors, the blocks of the batch. */
import type { Tensor } from '../../graph/tensor.js'
import type { GraphBuilder } from '../../ops/builder.js'
import type { Specialised } from '../../passes/specialise.js'
import type { HostTensor } from '../../runtime/types.js'
import { type DomainRows, fedName, type LossContext, ownName, type PreparedMethod, taughtName } from './method.js'
import type { Network, SampleShapes } from './network.js'
import type { Objective } from './objective.js'
import { teacherShapes } from './teacher.js'

/** Names of the step's feeds. A program takes those of them that its loss reads. */
export const TARGETS = 'graft.targets'
export const WEIGHTS = 'graft.weights'
export const PLACES = 'graft.places'
export const ROWS = 'graft.rows'
export const SHARE = 'graft.share'
export const PROGRESS = 'graft.progress'

export interface LossInputs {
  readonly network: Network
  readonly shapes: SampleShapes
  readonly batch: number
  readonly domains: readonly DomainRows[]
  /** The parameters of the network that train at present. */
  readonly trains: (parameter: string) => boolean
}

/** The methods' parameters that a program has come across, by what it does with them. */
export class OwnParameters {
  readonly trained = new Set<string>()
  /** Those that it reads as another program left them. */
  readonly held = new Set<string>()
  readonly fixed: Record<string, HostTensor> = {}
}

/** What the objective's loss reads of this forward pass. */
export interface StepValues {
  readonly logits: string
  readonly targets: string
  readonly weights: string
}

/** Declares the logits' targets and weights, in their shapes. */
export function stepValues(forward: Specialised, network: Network, { tasks }: Objective): StepValues {
  const g = forward.builder
  const logits = forward.value(network.logits)
  const shape = g.shape(logits)
  const rows = shape.slice(0, -1)
  return {
    logits,
    targets: feed(g, TARGETS, shape),
    weights: feed(g, WEIGHTS, tasks === undefined ? rows : [...rows, tasks.length]),
  }
}

export function lossContext(
  forward: Specialised,
  method: PreparedMethod,
  values: StepValues,
  { network, shapes, batch, domains, trains }: LossInputs,
  own: OwnParameters,
): LossContext {
  const g = forward.builder
  const places = g.shape(values.logits).slice(0, -1)
  const taught = method.teacher && teacherShapes(method.teacher, network, shapes, batch)
  const parameter = (into: Set<string>) => (name: string, start: Tensor) => {
    const full = ownName(method.name, name)
    into.add(full)
    return g.has(full) ? full : g.parameter(full, start)
  }
  return {
    g,
    ...values,
    get places() {
      return feed(g, PLACES, places)
    },
    get rows() {
      return feed(g, ROWS, [batch])
    },
    get share() {
      return feed(g, SHARE, [])
    },
    get progress() {
      return feed(g, PROGRESS, [])
    },
    value: (name) => forward.value(name),
    fixed(name) {
      const state = ownName(method.name, name)
      const tensor = method.fixed?.[name] as HostTensor
      own.fixed[state] = tensor
      return feed(g, state, tensor.dims)
    },
    taught: (output) => feed(g, taughtName(method.name, output), taught?.[output] as readonly number[]),
    feed: (name, dims) => feed(g, fedName(method.name, name), dims),
    trained: [...g.parameters()].flatMap(([name, { type }]) => (trains(name) && type === 'float32' ? [name] : [])),
    parameter: parameter(own.trained),
    held: parameter(own.held),
    memory: parameter(own.held),
    domains,
  }
}

/** An input of the step's program, declared where it was not. */
export function feed(g: GraphBuilder, name: string, dims: readonly number[]): string {
  return g.has(name) ? name : g.input(name, { type: 'float32', shape: dims })
}
