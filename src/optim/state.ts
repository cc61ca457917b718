/** The state of training programs: its names, and which of it each input and output stands for. */
import { sizeOf, type Tensor } from '../graph/tensor.js'
import type { GraphBuilder } from '../ops/builder.js'
import type { HostTensor, StateBinding } from '../runtime/types.js'

/** Name of the state in which an optimizer slot of a parameter lies. */
export const slotName = (parameter: string, slot: string): string => `${parameter}.${slot}`

/** What a step gives out besides state: scalars, `finite` being 1 or 0. The prefix keeps them apart from a network's values. */
export const STEP_OUTPUTS = { loss: 'graft.loss', gradientNorm: 'graft.gradient_norm', finite: 'graft.finite' } as const

/** Name of the state that counts the steps that changed something. */
export const STEP = 'graft.step'

/** Which state each input and output stands for. */
export class StateBindings {
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
