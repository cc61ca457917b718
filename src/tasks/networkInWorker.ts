/** A saved network in its worker: opened at the first use and shared by all later ones. */
import type { Model } from '../graph/graph.js'
import { LOGITS } from '../models/attach.js'
import { type Engine, type LoadedProgram, openEngine } from '../runtime/engine.js'
import type { HostTensor } from '../runtime/types.js'

export class NetworkInWorker {
  readonly #model: Model
  readonly #threads: number | undefined
  #opened: Promise<{ engine: Engine; program: LoadedProgram }> | undefined

  constructor(model: Model, threads: number | undefined) {
    this.#model = model
    this.#threads = threads
  }

  async logits(inputs: Readonly<Record<string, HostTensor>>): Promise<HostTensor> {
    this.#opened ??= this.#start()
    const { program } = await this.#opened
    return (await program.run(inputs))[LOGITS] as HostTensor
  }

  async close(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    await (await opened)?.engine.close()
  }

  async #start() {
    const threads = this.#threads
    const engine = await openEngine(threads === undefined ? {} : { threads })
    try {
      return { engine, program: await engine.load({ model: this.#model, state: [] }) }
    } catch (error) {
      await engine.close()
      throw error
    }
  }
}
