/** What the parts of one run share. */
import { InternalError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { FeatureCache } from '../../data/featureCache.js'
import type { SplitResult } from '../../data/split.js'
import { outputsOf, type Targets, takeTargets } from '../../data/targets.js'
import type { Engine } from '../../runtime/engine.js'
import type { RunDirectory } from '../../techniques/run/directory.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { FeatureRows, FeatureTable, Feed, Modality, PreparedData, Trunk } from './modality.js'
import type { Stopwatch } from './stopwatch.js'
import type { TrainOptions } from './trainOptions.js'

export interface Workspace {
  readonly options: TrainOptions
  readonly modality: Pick<Modality, 'kind' | 'nouns' | 'origin' | 'defaults' | 'openTrunk'>
  readonly context: RunContext
  readonly directory: RunDirectory
  readonly engine: Engine
  readonly random: Random
  readonly cache: FeatureCache
  readonly watch: Stopwatch
  readonly data: PreparedData
  readonly trunk: Trunk
  readonly feed: Feed
  readonly split: SplitResult
  /** Features of every sample. */
  readonly features: FeatureTable
}

export function targetsAt(work: Pick<Workspace, 'data'>, positions: ArrayLike<number>): Targets {
  return takeTargets(work.data.targets, positions)
}

/** Class of each sample at these positions. @throws InternalError where samples have no single class */
export function labelsAt(work: Pick<Workspace, 'data'>, positions: ArrayLike<number>): Int32Array {
  return labelsOf(targetsAt(work, positions))
}

/** @throws InternalError where samples have no single class */
export function labelsOf(targets: Targets): Int32Array {
  if (targets.kind !== 'single-label' && targets.kind !== 'ordinal')
    throw new InternalError(`one class a sample was expected, found ${targets.kind}`)
  return targets.labels
}

/** Width of the logits. */
export function outputCount(work: Pick<Workspace, 'data'>): number {
  return outputsOf(work.data.targets)
}

/** Names of the logits: the classes, or what the number is. */
export function outputNames({ data }: Pick<Workspace, 'data'>): readonly string[] {
  return data.targets.kind === 'number' ? [data.targets.name] : data.targets.classes
}

/** Rows of features of the samples at these positions. */
export function featuresAt(work: Pick<Workspace, 'features'>, positions: ArrayLike<number>): FeatureRows {
  return work.features.at(positions)
}

/** One row a sample. */
export function matrixTable(
  features: Matrix,
  positions: ArrayLike<number>,
  targetsOf: (positions: ArrayLike<number>) => Targets,
): FeatureTable {
  const rowOf = new Map(Array.from(positions, (position, i) => [position, i] as const))
  return {
    width: features.columns,
    at(wanted) {
      const { columns } = features
      const data = new Float32Array(wanted.length * columns)
      for (let to = 0; to < wanted.length; to++) {
        const from = rowOf.get(wanted[to]!)
        if (from === undefined) throw new InternalError(`the features of sample ${wanted[to]} were not computed`)
        data.set(features.data.subarray(from * columns, (from + 1) * columns), to * columns)
      }
      return { features: { rows: wanted.length, columns, data }, targets: targetsOf(wanted) }
    },
  }
}
