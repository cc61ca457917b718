/**
 * Opens a data set of photos: a folder per class, a CSV, or a list; or, for prediction, any files without labels. Reads the
 * first bytes of every file, so that what is no photo is named at once; nothing is decoded here.
 */
import { GraftError } from '../base/errors.js'
import type { CsvColumns } from './csv.js'
import { datasetWarnings } from './datasetWarnings.js'
import { list } from './layout.js'
import { type Collected, type Found, labelledPhotos, unlabelledPhotos } from './sources.js'
import type { ImageDataset, ImageSample, SkippedFile, Split } from './types.js'

/** A photo in a list: a path or its encoded bytes, its label, and where it belongs if that is given. */
export interface ImageItem {
  readonly image: string | Uint8Array
  readonly label?: string | undefined
  readonly split?: Split | 'val' | undefined
}

export interface ImagesOptions {
  /** `false`: take every photo, in folders of any shape, globs and files, without labels (for prediction). Default true. */
  readonly labels?: boolean | undefined
  /** Refuse the data set where a photo cannot be used, instead of leaving it out. Default false. */
  readonly strict?: boolean | undefined
  /** The classes and their order, where a model gives them. Default: the labels found, sorted. */
  readonly classes?: readonly string[] | undefined
  /** Columns of a CSV. */
  readonly columns?: CsvColumns | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * @param source a folder with one folder per class (perhaps below `train/`, `val/`, `test/`), a `.csv` or `.tsv` file with
 *   the columns `path,label[,split]`, or a list. With `labels: false` also files, globs and folders of any shape.
 * @throws GraftError where there is no photo, the folder has no classes, a label is not among `classes`, or with
 *   `strict` where any photo cannot be used.
 */
export async function images(
  source: string | readonly (ImageItem | string)[],
  options: ImagesOptions = {},
): Promise<ImageDataset> {
  const origin = typeof source === 'string' ? source : undefined
  const collected =
    options.labels === false ? await unlabelledPhotos(source, options) : await labelledPhotos(source, options)
  return datasetOf(origin, collected, options)
}

/** The photos that were collected as a data set. @throws GraftError as {@link images} does */
export function datasetOf(
  origin: string | undefined,
  collected: Collected,
  options: Pick<ImagesOptions, 'labels' | 'strict' | 'classes'>,
): ImageDataset {
  const name = origin ?? 'the list'
  if (options.strict === true) refuseSkipped(name, collected.skipped)
  if (collected.found.length === 0) throw emptyError(name, collected.skipped)
  const classes = options.labels === false ? [] : classesOf(name, collected.found, options.classes)
  const labelOf = new Map(classes.map((label, i) => [label, i]))
  const samples = collected.found.map(({ id, source, label, split }): ImageSample => {
    const index = label === undefined ? -1 : (labelOf.get(label) ?? -1)
    return split === undefined ? { id, source, label: index } : { id, source, label: index, split }
  })
  const warnings = [...collected.warnings, ...datasetWarnings(classes, samples)]
  return { kind: 'images', origin, classes, samples, skipped: collected.skipped, warnings }
}

function classesOf(name: string, found: readonly Found[], given: readonly string[] | undefined): string[] {
  const seen = [...new Set(found.flatMap(({ label }) => (label === undefined ? [] : [label])))].sort()
  if (given === undefined) return seen
  const unknown = seen.filter((label) => !given.includes(label))
  if (unknown.length === 0) return [...given]
  throw new GraftError(`${name}: the classes ${list(unknown)} are not among ${list(given, 10)}`, {
    remedy: 'Rename these folders or labels to the classes of the model, or leave them out.',
  })
}

function refuseSkipped(name: string, skipped: readonly SkippedFile[]): void {
  const faults = skipped.filter((skip) => skip.kind !== 'other-file')
  if (faults.length === 0) return
  const lines = faults.slice(0, 10).map((skip) => `  ${skip.id}: ${skip.reason}`)
  if (faults.length > 10) lines.push(`  and ${faults.length - 10} more`)
  throw new GraftError(
    `${name}: ${faults.length === 1 ? 'one photo' : `${faults.length} photos`} cannot be used\n${lines.join('\n')}`,
    {
      remedy: 'Repair or remove them, or run without `strict` to leave them out.',
    },
  )
}

function emptyError(name: string, skipped: readonly SkippedFile[]): GraftError {
  const lines = skipped.slice(0, 5).map((skip) => `\n  ${skip.id}: ${skip.reason}`)
  const more = skipped.length > 5 ? `\n  and ${skipped.length - 5} more` : ''
  const found =
    skipped.length === 0
      ? 'it holds no files'
      : `${skipped.length === 1 ? 'one file was' : `${skipped.length} files were`} left out:${lines.join('')}${more}`
  return new GraftError(`${name}: no photo found; ${found}`, {
    remedy: 'Give JPEG, PNG, WebP, AVIF, GIF or TIFF photos, one folder per class.',
  })
}
