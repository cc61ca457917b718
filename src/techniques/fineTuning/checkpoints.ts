/** The checkpoints of a training: when one is due, and the way back to the last. */
import { now } from '#platform'
import type { Engine } from '../../runtime/engine.js'
import type { RunDirectory } from '../run/directory.js'
import type { RunContext } from '../run/run.js'
import { decodeSnapshot, encodeSnapshot, type Snapshot } from './position.js'

export interface CheckpointsOptions {
  readonly engine: Engine
  readonly directory: RunDirectory
  readonly context: Pick<RunContext, 'emit'>
  /** Of the file in the run's directory. */
  readonly name: string
  /** Names everything that a checkpoint depends on. */
  readonly key: string
  /** Seconds between two. */
  readonly seconds: number
}

/** They are rare enough that saving takes at most one part in so many of the time. */
const RARELY = 20

/** In a directory that is not kept nothing is saved. */
export class Checkpoints {
  readonly #options: CheckpointsOptions
  #savedAt = now()
  #saveTook = 0

  constructor(options: CheckpointsOptions) {
    this.#options = options
  }

  /**
   * The last checkpoint, its state in the engine; undefined where there is none.
   *
   * @throws GraftError where it is of another training
   */
  async restored(): Promise<Snapshot | undefined> {
    const { engine, directory, context, name, key } = this.#options
    const file = await directory.readCheckpoint(name)
    if (file === undefined) return undefined
    const snapshot = decodeSnapshot(file, key)
    await engine.setState(snapshot.state)
    context.emit({ type: 'resumed', path: directory.out ?? '', step: snapshot.position.step })
    return snapshot
  }

  get due(): boolean {
    const { directory, seconds } = this.#options
    if (directory.out === undefined) return false
    return now() - this.#savedAt >= Math.max(1000 * seconds, RARELY * this.#saveTook)
  }

  /** @param states names of the engine's state */
  async save(states: readonly string[], rest: Omit<Snapshot, 'state' | 'key'>): Promise<void> {
    const { engine, directory, context, name, key } = this.#options
    if (directory.out === undefined) return
    const started = now()
    const state = await engine.getState(states)
    const path = await directory.writeCheckpoint(name, encodeSnapshot({ ...rest, state, key }))
    this.#savedAt = now()
    this.#saveTook = this.#savedAt - started
    if (path !== undefined) context.emit({ type: 'checkpoint', path, step: rest.position.step })
  }
}
