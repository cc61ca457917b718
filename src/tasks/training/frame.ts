/** The frame around a run that makes a model: what it opens it closes, also where the run is aborted or fails. */
import { cpuCount } from '#platform'
import { Random } from '../../base/random.js'
import { type FeatureCache, openFeatureCache } from '../../data/featureCache.js'
import { type Engine, openEngine } from '../../runtime/engine.js'
import { DivergedError } from '../../techniques/fineTuning/trainer.js'
import { AbortedError } from '../../techniques/run/aborted.js'
import type { RunDirectory } from '../../techniques/run/directory.js'
import type { RunContext } from '../../techniques/run/run.js'
import { asAborted, type OutputChoice, openDirectory } from './outputFolder.js'
import { type Stopwatch, startStopwatch } from './stopwatch.js'

/** What a run works with. */
export interface RunFrame {
  readonly context: RunContext
  readonly directory: RunDirectory
  readonly engine: Engine
  readonly random: Random
  readonly cache: FeatureCache
  readonly watch: Stopwatch
}

export interface FrameSettings {
  readonly options: OutputChoice & { readonly seed: number; readonly threads?: number | undefined }
  /** The options that a resumed run is to find, places as whole paths. */
  readonly recorded: Readonly<Record<string, unknown>>
  /** Names the random numbers. */
  readonly stream: string
  /** Names of the checkpoints with which a run can go on. */
  readonly checkpoints: readonly string[]
  readonly resumed: boolean
}

export async function inFrame<R>(
  context: RunContext,
  { options, recorded, stream, checkpoints, resumed }: FrameSettings,
  work: (frame: RunFrame) => Promise<R>,
): Promise<R> {
  const watch = startStopwatch()
  const directory = await openDirectory(options, recorded, resumed)
  try {
    const cache = openFeatureCache({ onNotice: (notice) => context.warn(notice) })
    try {
      const threads = await directory.decide('threads', () => options.threads ?? cpuCount())
      const engine = await openEngine({ threads, signal: context.signal })
      try {
        if (resumed) context.emit({ type: 'resumed', path: options.out ?? '', step: 0 })
        return await work({ context, directory, engine, random: new Random(options.seed, stream), cache, watch })
      } finally {
        await engine.close()
      }
    } finally {
      await cache.close()
    }
  } catch (error) {
    const cause = asAborted(error, context.signal, options.out)
    await discardHopeless(directory, cause, checkpoints)
    throw cause
  } finally {
    watch.stop()
    await directory.close()
  }
}

/** Removes what is left of a run that cannot be gone on with, or has nothing to go on from. What went wrong is told by others. */
export async function discardHopeless(
  directory: RunDirectory,
  cause: unknown,
  checkpoints: readonly string[],
): Promise<void> {
  const hopeless =
    cause instanceof DivergedError || !(cause instanceof AbortedError || (await hasCheckpoint(directory, checkpoints)))
  if (hopeless) await directory.discard().catch(() => undefined)
}

/** Without one there is nothing that a later run could not do from its start. */
async function hasCheckpoint(directory: RunDirectory, names: readonly string[]): Promise<boolean> {
  for (const name of names) {
    const found = await directory.readCheckpoint(name).catch(() => undefined)
    if (found !== undefined) return true
  }
  return false
}
