/** What a kind of data brings to an adaptation besides its {@link Modality}: samples that are read without their labels. */
import { UsageError } from '../../base/errors.js'
import type { TextDataset } from '../../data/text/types.js'
import type { ImageDataset } from '../../data/types.js'
import type { SampleLabels } from '../../data/unlabelled.js'
import { TOKEN_IDS } from '../../models/textInput.js'
import type { RunContext } from '../../techniques/run/run.js'
import { imageModality } from '../images/modality.js'
import type { PreparedPhotos } from '../images/prepare.js'
import type { ImageTrunk } from '../images/trunk.js'
import { labelsOfPhotos, prepareUnlabelledPhotos, someLabelsOfPhotos } from '../images/unlabelled.js'
import { type DataKind, kindOf } from '../kind.js'
import { textModality } from '../texts/modality.js'
import type { PreparedTexts } from '../texts/prepare.js'
import type { TextTrunk } from '../texts/trunk.js'
import { labelsOfTexts, prepareUnlabelledTexts, someLabelsOfTexts } from '../texts/unlabelled.js'
import type { DataChoice, Modality, PreparedData, Trunk } from '../training/modality.js'

/** Where samples come from: opened by `images()` or `texts()`, or what these would be given. */
export type DataSource = ImageDataset | TextDataset | string

export interface DomainKind<T extends Trunk, D extends PreparedData> {
  modality(source: DataSource): Modality<T, D>
  /** Every sample, its label not looked at, in an order that follows from the samples alone. */
  unlabelled(source: DataSource, options: DataChoice, context: RunContext): Promise<D>
  /** What a source says of samples that were read without labels. */
  labels(source: DataSource, data: D, options: DataChoice, signal: AbortSignal): Promise<SampleLabels>
  /** What fills up shorter samples where they share a batch with longer ones, by the network's input. */
  padding(trunk: T): Readonly<Record<string, number>>
  /** What another source says of some of these samples, which it holds again. */
  someLabels(source: DataSource, data: D, options: DataChoice, signal: AbortSignal): Promise<SampleLabels>
}

export const PHOTOS: DomainKind<ImageTrunk, PreparedPhotos> = {
  modality: (source) => imageModality(source as string | ImageDataset),
  padding: () => ({}),
  unlabelled: (source, options, context) => prepareUnlabelledPhotos(source as string | ImageDataset, options, context),
  labels: (source, data, _, signal) => labelsOfPhotos(source as string | ImageDataset, data, signal),
  someLabels: (source, data, _, signal) => someLabelsOfPhotos(source as string | ImageDataset, data, signal),
}

export const TEXTS: DomainKind<TextTrunk, PreparedTexts> = {
  modality: (source) => textModality(source as string | TextDataset),
  padding: ({ backbone }) => ({ [TOKEN_IDS]: backbone.tokenizer.padId }),
  unlabelled: (source, options, context) => prepareUnlabelledTexts(source as string | TextDataset, options, context),
  labels: (source, data, options, signal) => labelsOfTexts(source as string | TextDataset, data, options, signal),
  someLabels: (source, data, options, signal) =>
    someLabelsOfTexts(source as string | TextDataset, data, options, signal),
}

/** What a source is called in messages. */
export function nameOf(source: DataSource, list = 'the list'): string {
  return typeof source === 'string' ? source : (source.origin ?? list)
}

const SAYS = { images: 'photos', texts: 'texts' } as const

/** What all of them are. @throws UsageError where they are not of one kind */
export async function oneKind(
  sources: readonly [DataSource, ...DataSource[]],
  task: 'auto' | DataKind,
  context: Pick<RunContext, 'decide'>,
): Promise<DataKind> {
  const [first, ...others] = sources
  const kind = await kindOf(first, task, context)
  for (const other of others) {
    const found = await kindOf(other, task, { decide: () => undefined })
    if (found !== kind)
      throw new UsageError(`${nameOf(first)} holds ${SAYS[kind]}, ${nameOf(other)} ${SAYS[found]}.`, {
        remedy: 'Source and target must be of one kind: the same backbone reads both.',
      })
  }
  return kind
}
