/** What the parts of one run share. */
import type { Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { FeatureCache } from '../../data/featureCache.js'
import type { SplitResult } from '../../data/split.js'
import type { ImageSample } from '../../data/types.js'
import type { Engine } from '../../runtime/engine.js'
import type { RunDirectory } from '../../techniques/run/directory.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { PreparedData } from '../images/prepare.js'
import type { Trunk } from '../images/trunk.js'
import type { Stopwatch } from './stopwatch.js'
import type { TrainOptions } from './trainOptions.js'

export interface Workspace {
  readonly options: TrainOptions
  readonly context: RunContext
  readonly directory: RunDirectory
  readonly engine: Engine
  readonly random: Random
  readonly cache: FeatureCache
  readonly watch: Stopwatch
  readonly data: PreparedData
  readonly trunk: Trunk
  readonly split: SplitResult
  /** Features of every photo, (N, D). */
  readonly features: Matrix
}

export function samplesAt(work: Pick<Workspace, 'data'>, positions: ArrayLike<number>): ImageSample[] {
  return Array.from(positions, (i) => work.data.dataset.samples[i]!)
}

export function labelsAt(work: Pick<Workspace, 'data'>, positions: ArrayLike<number>): Int32Array {
  return Int32Array.from(positions, (i) => work.data.dataset.samples[i]!.label)
}

export function classCount(work: Pick<Workspace, 'data'>): number {
  return work.data.dataset.classes.length
}
