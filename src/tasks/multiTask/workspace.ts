/** What the parts of a run on several tasks share. */
import type { Matrix } from '../../base/matrix.js'
import { matrix, row, takeRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { SplitResult } from '../../data/split.js'
import { type TaskTargets, takeTargets } from '../../data/targets.js'
import type { SampleSource } from '../../techniques/fineTuning/network.js'
import type { TuningSettings } from '../../techniques/fineTuning/settings.js'
import { featureTasks } from '../../techniques/multiTask/index.js'
import type { RunFrame } from '../training/frame.js'
import type { Feed, Nouns, Trunk } from '../training/modality.js'
import { additionsNamed } from './choices.js'
import type { MultitaskOptions } from './options.js'
import type { PreparedTasks } from './prepare.js'

export interface TaskWorkspace extends RunFrame {
  readonly options: MultitaskOptions
  readonly nouns: Nouns
  readonly prepared: PreparedTasks
  readonly trunk: Trunk
  readonly feed: Feed
  readonly split: SplitResult
  /** Of every sample, by the frozen backbone. */
  readonly features: Matrix
  /** Tasks that choose the epoch and give the verdict. */
  readonly main: readonly string[]
}

/** What the tasks of these names say of the samples at some positions. */
export function tasksAt(
  work: Pick<TaskWorkspace, 'prepared'>,
  names: readonly string[],
  positions: ArrayLike<number>,
): TaskTargets {
  const { targets } = work.prepared
  const chosen = targets.tasks.filter(({ name }) => names.includes(name))
  return takeTargets({ ...targets, tasks: chosen }, positions)
}

/** Samples as the network that trains takes them: cached features, or the data itself. */
export function sourceAt(
  work: TaskWorkspace,
  names: readonly string[],
  positions: Int32Array,
  random: Random,
  augment: boolean,
): SampleSource<TaskTargets> {
  const targets = tasksAt(work, names, positions)
  if (work.options.technique === 'features') return featureTasks(takeRows(work.features, positions), targets)
  const source = work.feed.source(positions, random, { augment })
  return { ...source, targets }
}

export function tuningSettings(options: MultitaskOptions, epochs: number): TuningSettings {
  return {
    schedule: options.schedule,
    epochs,
    batch: options.batch,
    accumulate: options.accumulate,
    batchNorm: options.batchNorm,
    ema: options.ema,
    patience: options.patience,
    lr: options.lr,
    optimizer: options.optimizer,
    momentum: options.momentum,
    nesterov: options.nesterov,
    weightDecay: options.weightDecay,
    decay: options.decay,
    lrSchedule: options.lrSchedule,
    warmup: options.warmup,
    layerDecay: options.layerDecay,
    clip: options.clip,
    labelSmoothing: options.labelSmoothing,
    classWeights: options.classWeights,
    balancedSampling: false,
    mix: undefined,
    checkpointSeconds: options.checkpointSeconds,
    methods: additionsNamed(options.methods, options.technique),
  }
}

/** Matrices side by side, (N, C_1 + ... + C_K). */
export function beside(parts: readonly Matrix[]): Matrix {
  const columns = parts.reduce((sum, part) => sum + part.columns, 0)
  const all = matrix(parts[0]?.rows ?? 0, columns)
  for (let i = 0; i < all.rows; i++) {
    let at = i * columns
    for (const part of parts) {
      all.data.set(row(part, i), at)
      at += part.columns
    }
  }
  return all
}
