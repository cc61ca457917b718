/** Programs that look at a batch beside the training step: the tasks' losses, and how their gradients lie to each other. */
import { differentiate } from '../../autodiff/differentiate.js'
import { attr } from '../../graph/graph.js'
import { float32, sizeOf } from '../../graph/tensor.js'
import type { GraphBuilder } from '../../ops/builder.js'
import { reshape } from '../../ops/emit.js'
import { type Specialised, specialise } from '../../passes/specialise.js'
import type { Program } from '../../runtime/types.js'
import { TARGETS, WEIGHTS } from '../fineTuning/lossContext.js'
import { batchShapes, type SampleShapes } from '../fineTuning/network.js'
import type { Objective } from '../fineTuning/objective.js'
import type { TaskNetwork } from './network.js'

/** Names of what the programs give: (K), and (K, K). */
export const LOSSES = 'losses'
export const GRAM = 'gram'

/** Whose gradients are compared: those at the value from which the tasks part, or those of the shared parameters. */
export type GradientsOf = 'representation' | 'parameters'

export interface ProbeOptions {
  readonly network: TaskNetwork
  readonly objective: Objective
  readonly batch: number
  /** Parameters and statistics that are in the engine's state. */
  readonly state: readonly string[]
}

/** Reads what a step is fed; gives the loss of each task. */
export function lossesProgram(options: ProbeOptions, shapes: SampleShapes): Program {
  const { g, losses } = forward(options, shapes, [])
  g.output(LOSSES, g.op('Identity', [losses]))
  return finished(g, options)
}

/**
 * The same, and the inner products of the tasks' gradients: G_ij = <dL_i / dz, dL_j / dz>, z (N, D) being the representation, or
 * the parameters of `shared`. One backward pass a task: through its head alone, or through the whole network.
 */
export function gramProgram(
  options: ProbeOptions & { readonly of: GradientsOf; readonly shared: readonly string[] },
  shapes: SampleShapes,
): Program {
  const { of, shared, network } = options
  const { representation } = network
  const values = of === 'representation' && representation !== undefined ? [representation.value] : []
  const { g, losses, value } = forward(options, shapes, values)
  const targets = values.length > 0 ? values.map((name) => value(name)) : shared
  const gradients = taskGradients(g, losses, targets)
  const tasks = gradients.length
  const products = targets.map((target) => {
    const size = sizeOf(g.shape(target))
    const zeros = () => g.op('Expand', [g.float(0), g.ints([1, size])])
    const rows = gradients.map((found) => {
      const gradient = found.get(target)
      return gradient === undefined ? zeros() : reshape(g, gradient, [1, size])
    })
    const stacked = tasks === 1 ? rows[0]! : g.op('Concat', rows, { axis: attr.int(0) })
    return g.op('MatMul', [stacked, g.op('Transpose', [stacked], { perm: attr.ints([1, 0]) })])
  })
  g.output(LOSSES, g.op('Identity', [losses]))
  g.output(GRAM, g.op('Identity', [products.reduce((sum, product) => g.op('Add', [sum, product]))]))
  return finished(g, options)
}

/** The gradient of each task's loss with respect to these values, one backward pass a task. */
export function taskGradients(g: GraphBuilder, losses: string, targets: readonly string[]): Map<string, string>[] {
  const tasks = g.shape(losses)[0]!
  return Array.from({ length: tasks }, (_, k) => {
    const one = g.constant(
      float32(
        [tasks],
        Array.from({ length: tasks }, (_own, j) => (j === k ? 1 : 0)),
      ),
    )
    return g.scope(`task${k}`, () => differentiate(g, new Map([[losses, one]]), targets))
  })
}

function forward(
  { network, objective, batch }: ProbeOptions,
  shapes: SampleShapes,
  values: readonly string[],
): { g: GraphBuilder; losses: string; value: Specialised['value'] } {
  const specialised = specialise(network.model, {
    shapes: batchShapes(network, shapes, batch),
    outputs: [network.logits, ...values],
    batchNorm: { kind: 'fold' },
  })
  const g = specialised.builder
  const logits = specialised.value(network.logits)
  const shape = g.shape(logits)
  g.input(TARGETS, { type: 'float32', shape })
  g.input(WEIGHTS, { type: 'float32', shape: [shape[0]!, network.tasks.length] })
  const losses = objective.losses?.(g, logits, TARGETS, WEIGHTS) as string
  return { g, losses, value: specialised.value }
}

function finished(g: GraphBuilder, { state }: ProbeOptions): Program {
  const read = state.filter((name) => g.parameters().has(name))
  for (const name of read) g.parameterToInput(name)
  return { model: g.model(), state: read.map((name) => ({ name, input: name })) }
}
