/** One program for each sample shape that comes up, loaded when it first does. */
import type { Engine, LoadedProgram } from '../../runtime/engine.js'
import type { HostTensor, Program } from '../../runtime/types.js'
import { type Batch, batchShapes, type Network, type SampleShapes, shapesOf } from './network.js'

/** The key of a shape. */
export const shapeKey = (network: Network, shapes: SampleShapes): string =>
  network.inputs.map(({ name, sample }) => (shapes[name] ?? sample).join('x')).join(' ')

/**
 * Programs that differ in nothing but the shape of the samples. They share the engine's state, which goes by name.
 */
export class ShapedPrograms {
  readonly #engine: Engine
  readonly #network: Network
  readonly #build: (shapes: SampleShapes) => Program
  readonly #loaded = new Map<string, LoadedProgram>()

  constructor(engine: Engine, network: Network, build: (shapes: SampleShapes) => Program) {
    this.#engine = engine
    this.#network = network
    this.#build = build
  }

  /** The program for samples of this shape. */
  async for(shapes: SampleShapes): Promise<LoadedProgram> {
    const key = shapeKey(this.#network, shapes)
    const known = this.#loaded.get(key)
    if (known) return known
    const program = await this.#engine.load(this.#build(shapes))
    this.#loaded.set(key, program)
    return program
  }

  async run(batch: Batch, feeds: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>> {
    return (await this.for(shapesOf(batch))).run(feeds)
  }

  async release(): Promise<void> {
    const open = [...this.#loaded.values()]
    this.#loaded.clear()
    for (const program of open) await program.release()
  }
}

/**
 * The network's inputs, (size, ...sample) each. A short batch repeats its samples: in train-mode batch norm the statistics then
 * stay close to its own, and elsewhere the surplus is ignored.
 */
export function inputTensors(batch: Batch, network: Network, size: number): Record<string, HostTensor> {
  const shapes = batchShapes(network, shapesOf(batch), size)
  return Object.fromEntries(
    network.inputs.map(({ name }) => {
      const tensor = batch.inputs[name]
      if (tensor === undefined) throw new RangeError(`the batch has no input ${name}`)
      return [name, { ...tensor, dims: shapes[name]!, data: repeated(tensor.data, batch.samples.length, size) }]
    }),
  )
}

/** The n samples of an array, begun again until there are `size`. */
function repeated(data: HostTensor['data'], n: number, size: number): HostTensor['data'] {
  if (n === size) return data
  const one = data.length / n
  const full = new (data.constructor as new (length: number) => typeof data)(size * one)
  for (let i = 0; i < size; i++) {
    const part = data.subarray((i % n) * one, ((i % n) + 1) * one)
    if (full instanceof BigInt64Array) full.set(part as BigInt64Array, i * one)
    else full.set(part as Float32Array, i * one)
  }
  return full
}
