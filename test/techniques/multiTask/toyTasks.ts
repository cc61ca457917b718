/** Small features with three tasks of different kinds, some labels missing, and trainings on them. */
import { type Matrix, matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import type { TaskTargets } from '#graft/data/targets.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import type { TuningSettings } from '#graft/techniques/fineTuning/settings.js'
import {
  featureTasks,
  hardSharing,
  type TaskArchitecture,
  type TasksOutcome,
  type TrainTasksOptions,
  trainTasks,
} from '#graft/techniques/multiTask/index.js'
import { AbortedError } from '#graft/techniques/run/aborted.js'
import { memoryRunDirectory, type RunDirectory } from '#graft/techniques/run/directory.js'
import { startRun } from '#graft/techniques/run/run.js'

export const WIDTH = 6

export const TASK_SETTINGS: TuningSettings = {
  schedule: 'full',
  epochs: 6,
  batch: 16,
  accumulate: 1,
  batchNorm: 'frozen',
  ema: 0,
  patience: 0,
  lr: 0.01,
  optimizer: 'adamw',
  momentum: 0.9,
  nesterov: false,
  weightDecay: 0.01,
  lrSchedule: 'cosine',
  warmup: 0,
  layerDecay: 1,
  clip: 0,
  labelSmoothing: 0,
  classWeights: false,
  balancedSampling: false,
  mix: undefined,
  checkpointSeconds: 0,
}

/** kind: three classes; side: two, unknown for every third sample; size: a number, unknown for every fourth. */
export function toyTasks(n: number, seed = 3): { features: Matrix; targets: TaskTargets } {
  const random = new Random(seed, 'toy tasks')
  const features = matrix(n, WIDTH)
  const kind = new Int32Array(n)
  const side = new Int32Array(n)
  const size = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    kind[i] = random.integer(3)
    const up = random.integer(2)
    side[i] = i % 3 === 2 ? -1 : up
    for (let j = 0; j < WIDTH; j++)
      features.data[i * WIDTH + j] =
        0.5 * random.normal() + (j === kind[i] ? 2 : 0) + (j === 3 ? 2 * up - 1 : 0) + (j === 4 ? up * kind[i]! : 0)
    size[i] = i % 4 === 3 ? Number.NaN : 10 * features.data[i * WIDTH]! + 3 * features.data[i * WIDTH + 5]!
  }
  return {
    features,
    targets: {
      kind: 'tasks',
      tasks: [
        { name: 'kind', targets: { kind: 'single-label', classes: ['a', 'b', 'c'], labels: kind } },
        { name: 'side', targets: { kind: 'single-label', classes: ['left', 'right'], labels: side } },
        { name: 'size', targets: { kind: 'number', name: 'size', values: size } },
      ],
    },
  }
}

export interface ToyOptions extends Partial<Omit<TrainTasksOptions, 'settings' | 'engine' | 'context'>> {
  settings?: Partial<TuningSettings>
  design?: TaskArchitecture
  directory?: RunDirectory
  /** Aborts when so many steps are done. */
  stopAfter?: number
  samples?: number
  /** @default one of its own */
  engine?: Engine
}

/** A training on the toy tasks. */
export async function trainToy(options: ToyOptions = {}): Promise<TasksOutcome> {
  const { settings, design = hardSharing({ hidden: 8 }), stopAfter, samples = 72, engine, ...rest } = options
  const { features, targets } = toyTasks(samples)
  const held = toyTasks(40, 9)
  const own = engine ?? (await openEngine({ threads: 1 }))
  const stop = new AbortController()
  const random = new Random(5, 'toy')
  const outputs = [3, 2, 1]
  const tasks = targets.tasks.map(({ name }, k) => ({ name, outputs: outputs[k]! }))
  const run = startRun(
    (context) =>
      trainTasks({
        engine: own,
        network: design.build({ width: WIDTH, tasks, random }),
        train: featureTasks(features, targets),
        validation: featureTasks(held.features, held.targets),
        settings: { ...TASK_SETTINGS, ...settings },
        random,
        directory: memoryRunDirectory(),
        key: 'toy',
        ...rest,
        context: {
          ...context,
          progress: (...args) => {
            const progress = context.progress(...args)
            return {
              advance: progress.advance,
              set(done) {
                if (stopAfter !== undefined && done >= stopAfter) stop.abort()
                progress.set(done)
              },
            }
          },
        },
      }),
    { signal: stop.signal },
  )
  try {
    return await run
  } finally {
    if (engine === undefined) await own.close()
  }
}

/** The same, which must be stopped by `stopAfter`. */
export async function stoppedToy(options: ToyOptions): Promise<void> {
  try {
    await trainToy(options)
  } catch (error) {
    if (error instanceof AbortedError) return
    throw error
  }
  throw new Error('the training ended before it was stopped')
}
