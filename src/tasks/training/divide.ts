/** Which samples train, which choose and which measure. */
import { paths } from '#platform'
import type { Random } from '../../base/random.js'
import type { SplitResult } from '../../data/split.js'
import { splitSamples } from '../../data/splitSamples.js'
import type { Targets } from '../../data/targets.js'
import type { PreparedData } from './modality.js'

/** Divides the samples, each class in proportion; copies of one sample stay on one side. */
export function divide(data: PreparedData, shares: { validation: number; test: number }, random: Random): SplitResult {
  return splitSamples({
    targets: data.targets,
    groups: data.groups,
    given: data.splits,
    ...shares,
    random,
  })
}

/** Samples of each class at these positions; of numbers, how many there are. */
export function countsAt(targets: Targets, positions: ArrayLike<number>): number[] {
  if (targets.kind === 'number') return [positions.length]
  const counts = Array<number>(targets.classes.length).fill(0)
  const add = (label: number) => {
    if (label >= 0) counts[label] = counts[label]! + 1
  }
  for (let k = 0; k < positions.length; k++) {
    const i = positions[k]!
    if (targets.kind === 'token-labels') for (const label of targets.labels[i]!) add(label)
    else if (targets.kind === 'multi-label') {
      const width = targets.classes.length
      for (let c = 0; c < width; c++) if (targets.labels[i * width + c] === 1) add(c)
    } else add(targets.labels[i]!)
  }
  return counts
}

/** Where a model goes when no folder is named: `photos-model` for `./photos` and `./photos.csv`. */
export function defaultOutput(data: string): string {
  return `${paths.base(paths.resolve(data)).replace(/\.(csv|tsv|json|jsonl|ndjson|parquet|conll|txt)$/i, '')}-model`
}
