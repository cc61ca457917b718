/**
 * One hash for a whole data set, kept with the model to say what it was trained on. It covers every photo's name relative to
 * the data set, its content, its class and its given split, and the order of the classes; not where the folder lies, not
 * times of change. Moving or copying a folder keeps it; renaming, relabelling or touching a single pixel changes it.
 */
import { sha256Of } from '#platform'
import type { PhotoScan } from './scan.js'
import type { ImageDataset } from './types.js'

/** SHA-256 over the sorted lines `id, content, class, split`. */
export function datasetFingerprint(dataset: ImageDataset, scan: Pick<PhotoScan, 'contents'>): string {
  const lines = dataset.samples.map((sample, i) => {
    return JSON.stringify([sample.id, scan.contents[i] ?? '', dataset.classes[sample.label] ?? '', sample.split ?? ''])
  })
  return sha256Of([`${JSON.stringify(dataset.classes)}\n`, ...lines.sort().map((line) => `${line}\n`)])
}
