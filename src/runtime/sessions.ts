/**
 * Sessions and the state store, as they live inside the worker. The only file that uses onnxruntime.
 *
 * Where onnxruntime fills the tensors it is given, state is kept in two sets of them that change places: a run reads one and
 * writes the other, so that no weight is copied (see `uncopied.ts`). A state's spare is made when a program first writes it.
 */
import { fillsOutputs, type InferenceSession, openSession, runUncopied, Tensor } from '#onnxruntime'
import type { HostTensor, RuntimeSettings, StateBinding } from './types.js'
import { UNCOPIED } from './uncopied.js'

interface Loaded {
  readonly session: InferenceSession
  readonly state: readonly StateBinding[]
  readonly returned: readonly string[]
  /** Shapes of inputs and outputs, where they are known. */
  readonly shapes: ReadonlyMap<string, readonly number[]>
  /** Makes tensors for what is returned; undefined where a shape is not known before the run. */
  readonly results: (() => Record<string, Tensor>) | undefined
}

interface Slot {
  /** The state's own; a program may take the same numbers in another shape. */
  readonly dims: readonly number[]
  current: Tensor
  spare: Tensor | undefined
}

export class Sessions {
  readonly #programs = new Map<number, Loaded>()
  readonly #state = new Map<string, Slot>()

  async load(
    id: number,
    model: Uint8Array | string,
    state: readonly StateBinding[],
    settings: RuntimeSettings,
  ): Promise<void> {
    const session = await openSession(model, settings, {
      intraOpNumThreads: settings.threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      // A planned block is taken beside what the first run left in the arena: 1.7 times the memory, and no faster.
      enableMemPattern: false,
      // Waiting threads sleep: a spinning one takes its core from the decoding of the next photos.
      extra: { session: { intra_op: { allow_spinning: '0' } } },
      logSeverityLevel: 3,
    })
    const written = new Set(state.map((s) => s.output))
    const returned = session.outputNames.filter((name) => !written.has(name) && name !== UNCOPIED)
    const uncopied = fillsOutputs && session.outputNames.includes(UNCOPIED)
    this.#programs.set(id, {
      session,
      state,
      returned,
      shapes: new Map([...staticShapes(session.inputMetadata), ...staticShapes(session.outputMetadata)]),
      results: uncopied ? maker(session, returned) : undefined,
    })
  }

  async run(id: number, feeds: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>> {
    const program = this.#programs.get(id)
    if (!program) throw new Error(`program ${id} is not loaded`)
    const inputs: Record<string, Tensor> = {}
    for (const [name, tensor] of Object.entries(feeds)) inputs[name] = toOrt(tensor)
    const fetches: Record<string, Tensor | null> = {}
    for (const name of program.returned) fetches[name] = null
    const written: { slot: Slot; output: string }[] = []
    for (const { name, input, output } of program.state) {
      const slot = this.#slot(name)
      inputs[input] = inShape(slot.current, program.shapes.get(input))
      if (output === undefined) continue
      if (fillsOutputs) slot.spare ??= likeTensor(slot.current)
      fetches[output] = slot.spare ? inShape(slot.spare, program.shapes.get(output)) : null
      written.push({ slot, output })
    }
    let results: Readonly<Record<string, unknown>> = fetches
    if (program.results === undefined) results = await program.session.run(inputs, fetches)
    else {
      Object.assign(fetches, program.results())
      await runUncopied(program.session, inputs, fetches, UNCOPIED)
    }
    for (const { slot, output } of written) {
      // The tensor that was given, filled; or, in a browser, a new one.
      const next = inShape(results[output] as Tensor, slot.dims)
      if (fillsOutputs) slot.spare = slot.current
      slot.current = next
    }
    return Object.fromEntries(program.returned.map((name) => [name, toHost(results[name] as Tensor, false)]))
  }

  async release(id: number): Promise<void> {
    const program = this.#programs.get(id)
    this.#programs.delete(id)
    await program?.session.release()
  }

  setState(values: Readonly<Record<string, HostTensor>>): void {
    for (const [name, tensor] of Object.entries(values))
      this.#state.set(name, { dims: tensor.dims, current: toOrt(tensor), spare: undefined })
  }

  getState(names: readonly string[]): Record<string, HostTensor> {
    return Object.fromEntries(names.map((name) => [name, toHost(this.#slot(name).current, true)]))
  }

  #slot(name: string): Slot {
    const slot = this.#state.get(name)
    if (!slot) throw new Error(`the state "${name}" was never set`)
    return slot
  }
}

const ARRAYS = { float32: Float32Array, int64: BigInt64Array, int32: Int32Array, bool: Uint8Array, uint8: Uint8Array }

/** Makes a new tensor for each of these outputs, where all their shapes are known. */
function maker(session: InferenceSession, names: readonly string[]): (() => Record<string, Tensor>) | undefined {
  const known: { name: string; type: HostTensor['type']; dims: number[] }[] = []
  for (const output of session.outputMetadata) {
    if (!names.includes(output.name)) continue
    if (!output.isTensor || !Object.hasOwn(ARRAYS, output.type)) return undefined
    const dims = output.shape.filter((d) => typeof d === 'number')
    if (dims.length < output.shape.length) return undefined
    known.push({ name: output.name, type: output.type as HostTensor['type'], dims })
  }
  return () =>
    Object.fromEntries(
      known.map(({ name, type, dims }) => {
        const data = new ARRAYS[type](dims.reduce((product, d) => product * d, 1))
        return [name, toOrt({ type, dims, data })]
      }),
    )
}

function toOrt(tensor: HostTensor): Tensor {
  return new Tensor(tensor.type, tensor.data as Float32Array, tensor.dims as number[]) as Tensor
}

/** The same numbers as a tensor of another shape of as many elements. */
function inShape(tensor: Tensor, dims: readonly number[] | undefined): Tensor {
  if (dims === undefined || (dims.length === tensor.dims.length && dims.every((d, i) => d === tensor.dims[i])))
    return tensor
  return new Tensor(tensor.type as 'float32', tensor.data as Float32Array, dims as number[]) as Tensor
}

/** Of those that have no free dimension. */
function staticShapes(values: readonly InferenceSession.ValueMetadata[]): [string, readonly number[]][] {
  return values.flatMap((value): [string, readonly number[]][] => {
    if (!value.isTensor) return []
    const dims = value.shape.filter((d) => typeof d === 'number')
    return dims.length === value.shape.length ? [[value.name, dims]] : []
  })
}

function likeTensor(tensor: Tensor): Tensor {
  return new Tensor('float32', new Float32Array(tensor.size), tensor.dims as number[]) as Tensor
}

/** State is copied (the worker keeps writing to it); what a run returned is handed over. */
function toHost(tensor: Tensor, copy: boolean): HostTensor {
  const data = tensor.data as HostTensor['data']
  return { type: tensor.type as HostTensor['type'], dims: [...tensor.dims], data: copy ? data.slice() : data }
}
