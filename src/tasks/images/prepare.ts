/** From what the user gave to photos that can be trained on: opened, looked at, copies found, divided. */
import { paths } from '#platform'
import { UsageError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import { checkTrainable, classCounts } from '../../data/datasetWarnings.js'
import { type Duplicates, findDuplicates } from '../../data/duplicates.js'
import { datasetFingerprint } from '../../data/fingerprint.js'
import { images } from '../../data/images.js'
import { scanPhotos, withoutUnreadable } from '../../data/scan.js'
import { type SplitResult, splitPhotos } from '../../data/split.js'
import type { ImageDataset, Split } from '../../data/types.js'
import type { RunContext } from '../../techniques/run/run.js'

export interface PreparedData {
  readonly dataset: ImageDataset
  /** SHA-256 of each photo. */
  readonly contents: readonly string[]
  readonly duplicates: Duplicates
  readonly fingerprint: string
  /** Which parts the data itself names. */
  readonly given: ReadonlySet<Split>
  /** Sentences for a person. */
  readonly warnings: readonly string[]
}

/** Opens a source, or takes a data set that is open; reads every photo once. */
export async function prepareData(
  source: string | ImageDataset,
  options: { readonly strict: boolean },
  context: RunContext,
): Promise<PreparedData> {
  const { signal, emit } = context
  const name = typeof source === 'string' ? source : (source.origin ?? 'the list')
  context.phase('data', `Reading ${name}`)
  const opened = typeof source === 'string' ? await images(source, { strict: options.strict, signal }) : source
  if (opened.classes.length === 0)
    throw new UsageError(`${name}: these photos have no labels, which training needs.`, {
      remedy: 'Open them without `labels: false`, from a folder per class or a CSV.',
    })
  const progress = context.progress('data', opened.samples.length, 'photos')
  const scanned = await scanPhotos(opened.samples, {
    strict: options.strict,
    signal,
    onProgress: (done) => progress.set(done),
  })
  const { dataset, scan } = withoutUnreadable(opened, scanned)
  for (const { id, kind, reason } of dataset.skipped) if (kind !== 'other-file') emit({ type: 'skipped', id, reason })
  checkTrainable(dataset)
  const duplicates = findDuplicates(dataset, scan)
  const warnings = [...dataset.warnings, ...duplicates.warnings]
  for (const warning of warnings) context.warn(warning)
  return {
    dataset,
    contents: scan.contents,
    duplicates,
    fingerprint: datasetFingerprint(dataset, scan),
    given: new Set(dataset.samples.flatMap((sample) => sample.split ?? [])),
    warnings,
  }
}

/** Divides the photos; copies of one photo stay on one side. */
export function divide(data: PreparedData, shares: { validation: number; test: number }, random: Random): SplitResult {
  const { samples } = data.dataset
  return splitPhotos({
    labels: samples.map((sample) => sample.label),
    groups: data.duplicates.groupOf,
    given: samples.map((sample) => sample.split),
    ...shares,
    random,
  })
}

/** Photos of each class at these positions. */
export function countsAt(dataset: ImageDataset, positions: ArrayLike<number>): number[] {
  const chosen = Array.from(positions, (i) => dataset.samples[i]!)
  return [...classCounts(dataset.classes, chosen)]
}

/** Where a model goes when no folder is named: `photos-model` for `./photos` and `./photos.csv`. */
export function defaultOutput(data: string): string {
  return `${paths.base(paths.resolve(data)).replace(/\.(csv|tsv)$/i, '')}-model`
}
