/** Photos of which nothing is to be known: opened without labels, in an order that follows from the photos alone. */
import { sha256Of } from '#platform'
import { GraftError } from '../../base/errors.js'
import { images } from '../../data/images.js'
import { scanPhotos, withoutUnreadable } from '../../data/scan.js'
import type { ImageDataset } from '../../data/types.js'
import { byContent, labelsByContent, type SampleLabels } from '../../data/unlabelled.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { PreparedPhotos } from './prepare.js'

/** Opens a source, or takes a data set that is open; reads every photo once. Labels, where there are any, are not looked at. */
export async function prepareUnlabelledPhotos(
  source: string | ImageDataset,
  options: { readonly strict: boolean },
  context: RunContext,
): Promise<PreparedPhotos> {
  const { signal, emit } = context
  const name = typeof source === 'string' ? source : (source.origin ?? 'the list')
  context.phase('data', `Reading ${name}`)
  const given =
    typeof source === 'string' ? await images(source, { labels: false, strict: options.strict, signal }) : source
  const opened: ImageDataset = {
    ...given,
    classes: [],
    warnings: [],
    samples: given.samples.map(({ id, source: from }) => ({ id, source: from, label: -1 })),
  }
  const progress = context.progress('data', opened.samples.length, 'photos')
  const scanned = await scanPhotos(opened.samples, {
    strict: options.strict,
    signal,
    onProgress: (done) => progress.set(done),
  })
  const { dataset: readable, scan } = withoutUnreadable(opened, scanned)
  for (const { id, kind, reason } of readable.skipped) if (kind !== 'other-file') emit({ type: 'skipped', id, reason })
  if (readable.samples.length === 0)
    throw new GraftError(`${name}: none of its photos can be read.`, { remedy: 'See the reasons above.' })
  const order = byContent(scan.contents)
  const dataset = { ...readable, samples: order.map((i) => readable.samples[i]!) }
  const contents = order.map((i) => scan.contents[i]!)
  const { samples } = dataset
  return {
    dataset,
    origin: dataset.origin,
    length: samples.length,
    targets: { kind: 'single-label', classes: [], labels: new Int32Array(samples.length).fill(-1) },
    idOf: (position) => samples[position]!.id,
    contents,
    groups: Int32Array.from(samples.keys()),
    splits: samples.map(() => undefined),
    given: new Set(),
    fingerprint: sha256Of(['photos without labels\n', contents.join('\n')]),
    skipped: dataset.skipped,
    warnings: [],
  }
}

/** What the source says of its photos, by where each lies. */
export async function labelsOfPhotos(
  source: string | ImageDataset,
  data: PreparedPhotos,
  signal: AbortSignal,
): Promise<SampleLabels> {
  const opened = typeof source === 'string' ? await images(source, { signal }) : source
  const placeOf = (sample: ImageDataset['samples'][number]) =>
    typeof sample.source === 'string' ? sample.source : sample.id
  const known = new Map(opened.samples.map((sample) => [placeOf(sample), sample.label] as const))
  return {
    classes: opened.classes,
    labels: Int32Array.from(data.dataset.samples, (sample) => known.get(placeOf(sample)) ?? -1),
  }
}

/** The same by a source of its own that holds some of the photos again, in any place: told by their content. */
export async function someLabelsOfPhotos(
  source: string | ImageDataset,
  data: PreparedPhotos,
  signal: AbortSignal,
): Promise<SampleLabels> {
  const opened = typeof source === 'string' ? await images(source, { signal }) : source
  const { contents } = await scanPhotos(opened.samples, { signal })
  return labelsByContent(
    opened.classes,
    opened.samples.map(({ label }, i) => [contents[i]!, label] as const),
    data.contents,
  )
}
