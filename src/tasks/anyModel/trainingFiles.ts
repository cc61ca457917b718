/**
 * A training program as files that onnxruntime runs in any language: the graphs, the state's first values, and a JSON
 * description of what feeds what.
 */
import { encodeSafetensors } from '../../base/safetensors.js'
import { VERSION } from '../../base/version.js'
import type { Model, ValueInfo } from '../../graph/graph.js'
import { writeModel } from '../../onnx/writer.js'
import { STEP_OUTPUTS, type TrainingProgram } from '../../optim/trainingProgram.js'
import type { Program } from '../../runtime/types.js'

export const STEP_FILE = 'step.onnx'
export const APPLY_FILE = 'apply.onnx'
export const STATE_FILE = 'state.safetensors'
export const DESCRIPTION_FILE = 'training.json'

/** A tensor that a training program is fed, gives out or keeps. */
export interface TensorDescription {
  readonly name: string
  /** As ONNX and NumPy call it. */
  readonly dtype: string
  readonly shape: readonly number[]
}

export interface InputDescription extends TensorDescription {
  /** What is fed: a batch of the model's input, its targets, the weight of each sample, or a learning rate. */
  readonly role: 'input' | 'targets' | 'sample weights' | 'rate'
}

/** One of the programs of an exported training. */
export interface ProgramDescription {
  readonly file: string
  /** What is fed at each run, besides state. */
  readonly inputs: readonly InputDescription[]
  /** What is given out at each run, besides state. */
  readonly outputs: readonly TensorDescription[]
  /** The state's tensors by their names, with the input they feed and the output that replaces them after the run. */
  readonly state: readonly { readonly name: string; readonly input: string; readonly output?: string | undefined }[]
}

/** training.json. */
export interface TrainingDescription {
  readonly format: 1
  readonly version: string
  readonly model: { readonly name: string; readonly sha256: string }
  readonly batch: number
  readonly loss: { readonly name: string; readonly of: string; readonly formula: string }
  readonly optimizer: Readonly<Record<string, string | number | boolean>>
  /** The names of the outputs that tell how a step went. `finite` is 0 where it changed nothing. */
  readonly results: typeof STEP_OUTPUTS
  /** What to feed the learning rates with, unless there is a schedule. */
  readonly rates: Readonly<Record<string, number>>
  /** Run once a batch. */
  readonly step: ProgramDescription
  /** Run after some steps to apply the gradients that they added up; null where every step applies its own. */
  readonly apply: ProgramDescription | null
  readonly state: {
    readonly file: string
    readonly tensors: readonly (TensorDescription & {
      readonly role: 'parameter' | 'statistic' | 'optimizer'
    })[]
  }
}

export interface TrainingFilesOptions {
  readonly program: TrainingProgram
  readonly model: TrainingDescription['model']
  readonly batch: number
  readonly loss: TrainingDescription['loss']
  readonly optimizer: TrainingDescription['optimizer']
  readonly rate: number
  readonly roles: Readonly<Record<string, InputDescription['role']>>
}

/** The files by name. */
export function trainingFiles(options: TrainingFilesOptions): {
  files: Map<string, Uint8Array | string>
  description: TrainingDescription
} {
  const { program, rate, roles, model, batch, loss, optimizer } = options
  const describe = (file: string, one: Program): ProgramDescription => {
    const state = one.state.map(({ name, input, output }) => ({ name, input, output }))
    const bound = new Set(state.flatMap(({ input, output }) => (output === undefined ? [input] : [input, output])))
    const free = (values: readonly ValueInfo[]) => values.filter(({ name }) => !bound.has(name)).map(tensorOf)
    return {
      file,
      inputs: free(one.model.graph.inputs).map((input) => ({
        ...input,
        role: roles[input.name] ?? (program.rates.includes(input.name) ? 'rate' : 'input'),
      })),
      outputs: free(one.model.graph.outputs),
      state,
    }
  }
  const parameters = new Set(program.parameters.map(({ name }) => name))
  const description: TrainingDescription = {
    format: 1,
    version: VERSION,
    model,
    batch,
    loss,
    optimizer,
    results: STEP_OUTPUTS,
    rates: Object.fromEntries(program.rates.map((name) => [name, rate])),
    step: describe(STEP_FILE, program.step),
    apply: program.apply ? describe(APPLY_FILE, program.apply) : null,
    state: {
      file: STATE_FILE,
      tensors: Object.entries(program.initialState).map(([name, { type, dims }]) => ({
        name,
        dtype: type,
        shape: dims,
        role: parameters.has(name)
          ? ('parameter' as const)
          : program.statistics.includes(name)
            ? ('statistic' as const)
            : ('optimizer' as const),
      })),
    },
  }
  const graphs: [string, Model][] = [
    [STEP_FILE, program.step.model],
    ...(program.apply ? ([[APPLY_FILE, program.apply.model]] as [string, Model][]) : []),
  ]
  return {
    description,
    files: new Map<string, Uint8Array | string>([
      ...graphs.map(([name, graph]) => [name, writeModel(graph)] as const),
      [STATE_FILE, encodeSafetensors({ tensors: program.initialState, metadata: {} })],
      [DESCRIPTION_FILE, `${JSON.stringify(description, null, 2)}\n`],
    ]),
  }
}

function tensorOf({ name, type, shape }: ValueInfo): TensorDescription {
  return { name, dtype: type, shape: (shape ?? []).map((d) => (typeof d === 'number' ? d : -1)) }
}
