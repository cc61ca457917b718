/** From what the user gave to photos that can be trained on: opened, looked at, copies found. */
import { UsageError } from '../../base/errors.js'
import { checkTrainable } from '../../data/datasetWarnings.js'
import { findDuplicates } from '../../data/duplicates.js'
import { datasetFingerprint } from '../../data/fingerprint.js'
import { images } from '../../data/images.js'
import { scanPhotos, withoutUnreadable } from '../../data/scan.js'
import type { ImageDataset } from '../../data/types.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { PreparedData } from '../training/modality.js'

export interface PreparedPhotos extends PreparedData {
  readonly dataset: ImageDataset
}

/** Opens a source, or takes a data set that is open; reads every photo once. */
export async function prepareData(
  source: string | ImageDataset,
  options: { readonly strict: boolean; readonly keepClasses?: boolean },
  context: RunContext,
): Promise<PreparedPhotos> {
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
  // A class may be added to those that the model knows.
  checkTrainable(dataset, options.keepClasses === true ? 1 : 2)
  const duplicates = findDuplicates(dataset, scan)
  const warnings = [...dataset.warnings, ...duplicates.warnings]
  for (const warning of warnings) context.warn(warning)
  const { samples, classes } = dataset
  return {
    dataset,
    origin: dataset.origin,
    length: samples.length,
    targets: { kind: 'single-label', classes, labels: Int32Array.from(samples, (sample) => sample.label) },
    idOf: (position) => samples[position]!.id,
    contents: scan.contents,
    groups: duplicates.groupOf,
    splits: samples.map((sample) => sample.split),
    given: new Set(samples.flatMap((sample) => sample.split ?? [])),
    fingerprint: datasetFingerprint(dataset, scan),
    skipped: dataset.skipped,
    warnings,
  }
}
