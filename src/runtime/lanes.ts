/**
 * One program in several engines, for many independent inputs. Threads that each take an input of their own never wait for
 * one another, as those that share an input do after every operator.
 */
import { type Engine, type LoadedProgram, openEngine } from './engine.js'
import type { HostTensor, Program } from './types.js'

export interface Lanes {
  /** Runs that can be under way at once. */
  readonly count: number
  /** Threads of each lane: results depend on it, and not on the lane. */
  readonly threads: number
  /** Runs in the first lane that is free. The arrays are handed over: they are empty afterwards. */
  run(feeds: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>>
  close(): Promise<void>
}

/** Each lane holds the weights and the values between layers once more. */
const MOST_LANES = 4

/** @param threads for all lanes together */
export async function openLanes(program: Program, threads: number, signal?: AbortSignal): Promise<Lanes> {
  const count = Math.min(MOST_LANES, threads)
  const each = Math.floor(threads / count)
  const engines: Engine[] = []
  const close = async () => {
    await Promise.all(engines.map((engine) => engine.close()))
  }
  const free: LoadedProgram[] = []
  try {
    for (let i = 0; i < count; i++) {
      const engine = await openEngine({ threads: each, ...(signal && { signal }) })
      engines.push(engine)
      free.push(await engine.load(program))
    }
  } catch (error) {
    await close()
    throw error
  }
  const waiting: ((lane: LoadedProgram) => void)[] = []
  return {
    count,
    threads: each,
    async run(feeds) {
      const lane = free.pop() ?? (await new Promise<LoadedProgram>((resolve) => waiting.push(resolve)))
      try {
        return await lane.run(feeds, { handOver: true })
      } finally {
        const next = waiting.shift()
        if (next) next(lane)
        else free.push(lane)
      }
    },
    close,
  }
}
