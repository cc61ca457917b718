/** Which samples train, which choose and which measure. */
import { paths } from '#platform'
import type { Random } from '../../base/random.js'
import { type SplitResult, splitPhotos } from '../../data/split.js'
import { countOf, type Targets } from '../../data/targets.js'
import type { PreparedData } from './modality.js'

/** Divides the samples, each class in proportion; copies of one sample stay on one side. */
export function divide(data: PreparedData, shares: { validation: number; test: number }, random: Random): SplitResult {
  return splitPhotos({
    labels: strata(data.targets),
    groups: data.groups,
    given: data.splits,
    ...shares,
    random,
  })
}

/** Parts of a range of numbers that are divided in proportion. */
const RANGES = 5

/**
 * A class for every sample, (N), by which a split keeps its proportions: its own class; of several the rarest; of numbers one
 * of five ranges of equally many samples; of words the rarest class that occurs.
 */
export function strata(targets: Targets): Int32Array {
  switch (targets.kind) {
    case 'single-label':
    case 'ordinal':
      return targets.labels
    case 'multi-label': {
      const { labels, classes } = targets
      return rarest(countOf(targets), classes.length, (i) => {
        const own: number[] = []
        for (let c = 0; c < classes.length; c++) if (labels[i * classes.length + c] === 1) own.push(c)
        return own
      })
    }
    case 'token-labels':
      return rarest(targets.labels.length, targets.classes.length, (i) => [
        ...new Set(targets.labels[i]!.filter((label) => label >= 0)),
      ])
    case 'number': {
      const { values } = targets
      const sorted = values.filter((value) => !Number.isNaN(value)).sort()
      const bounds = Array.from(
        { length: RANGES - 1 },
        (_, k) => sorted[Math.floor((sorted.length * (k + 1)) / RANGES)]!,
      )
      return Int32Array.from(values, (value) => (Number.isNaN(value) ? -1 : bounds.filter((b) => value >= b).length))
    }
  }
}

/** The rarest of the classes of each sample; -1 where it has none. */
function rarest(n: number, classes: number, classesOf: (i: number) => readonly number[]): Int32Array {
  const counts = new Int32Array(classes)
  for (let i = 0; i < n; i++) for (const c of classesOf(i)) counts[c] = counts[c]! + 1
  return Int32Array.from({ length: n }, (_, i) =>
    classesOf(i).reduce((least, c) => (least === -1 || counts[c]! < counts[least]! ? c : least), -1),
  )
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
