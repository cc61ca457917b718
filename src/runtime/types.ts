/** What the runtime takes and gives: plain typed arrays, never the runtime's own tensors. */
import type { Model } from '../graph/graph.js'

export interface HostTensor {
  readonly type: 'float32' | 'int64' | 'int32' | 'bool' | 'uint8'
  readonly dims: readonly number[]
  readonly data: Float32Array | BigInt64Array | Int32Array | Uint8Array
}

/** An input (and perhaps an output) of a program that stands for a named tensor in the engine's state store. */
export interface StateBinding {
  readonly name: string
  readonly input: string
  /** The output that replaces the state after each run. */
  readonly output?: string
}

/** A model with some of its inputs and outputs bound to state; the others are fed and returned. */
export interface Program {
  readonly model: Model
  readonly state: readonly StateBinding[]
}

/** What onnxruntime is told once, before the first session. */
export interface RuntimeSettings {
  readonly threads: number
  /** Where a browser finds onnxruntime's WebAssembly; undefined is beside the script. */
  readonly wasm?: string
}

export const floats = (dims: readonly number[], data: Float32Array): HostTensor => ({ type: 'float32', dims, data })
export const scalarTensor = (value: number): HostTensor => floats([], Float32Array.of(value))
