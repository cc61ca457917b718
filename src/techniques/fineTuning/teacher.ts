/** Networks that are asked of each batch what they make of it; their answers are fed to the training program. */
import { GraftError } from '../../base/errors.js'
import type { Model } from '../../graph/graph.js'
import { keepOnly } from '../../models/edit.js'
import { specialise } from '../../passes/specialise.js'
import type { Engine, LoadedProgram } from '../../runtime/engine.js'
import type { HostTensor } from '../../runtime/types.js'
import { type PreparedMethod, type Teacher, taughtName } from './method.js'
import { batchShapes, type Network, type SampleShapes } from './network.js'

/** The shapes of what a teacher gives of a full batch. */
export function teacherShapes(
  { model, outputs }: Teacher,
  network: Network,
  shapes: SampleShapes,
  batch: number,
): Record<string, readonly number[]> {
  const inferred = specialise(model, { shapes: batchShapes(network, shapes, batch), outputs })
  return Object.fromEntries(outputs.map((name) => [name, inferred.builder.shape(inferred.value(name))]))
}

/** @throws GraftError where a teacher reads something that is not fed */
export function checkTeacher(model: Model, network: Network, what: string): void {
  const missing = model.graph.inputs.filter(
    ({ name }) => !model.graph.initializers.has(name) && !network.inputs.some((input) => input.name === name),
  )
  if (missing.length > 0)
    throw new GraftError(
      `${what} reads ${missing.map(({ name }) => name).join(', ')}; the network that trains is fed ${network.inputs.map(({ name }) => name).join(', ')}.`,
      { remedy: 'Both must read the same inputs, prepared the same way.' },
    )
}

/** The teachers of a training, loaded. */
export interface Teachers {
  /** What they say of a full batch, by the names under which it is fed. */
  ask(inputs: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>>
  release(): Promise<void>
}

export async function openTeachers(engine: Engine, methods: readonly PreparedMethod[]): Promise<Teachers> {
  const loaded: { method: string; teacher: Teacher; reads: readonly string[]; program: LoadedProgram }[] = []
  const release = async () => {
    for (const { program } of loaded) await program.release()
  }
  try {
    for (const { name, teacher } of methods) {
      if (teacher === undefined) continue
      const outputs = teacher.outputs.map((output) => ({ name: output, type: 'float32', shape: undefined }) as const)
      const model = keepOnly(teacher.model, outputs)
      const reads = model.graph.inputs
        .map((input) => input.name)
        .filter((input) => !model.graph.initializers.has(input))
      loaded.push({ method: name, teacher, reads, program: await engine.load({ model, state: [] }) })
    }
  } catch (error) {
    await release()
    throw error
  }
  return {
    async ask(inputs) {
      const feeds: Record<string, HostTensor> = {}
      for (const { method, teacher, reads, program } of loaded) {
        const said = await program.run(Object.fromEntries(reads.map((name) => [name, inputs[name] as HostTensor])))
        for (const output of teacher.outputs) feeds[taughtName(method, output)] = said[output] as HostTensor
      }
      return feeds
    },
    release,
  }
}
