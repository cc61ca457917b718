/** From what the user gave to texts that can be trained on: opened, columns and labels told, copies found. */
import { paths, sha256 } from '#platform'
import { UsageError } from '../../base/errors.js'
import { findTextDuplicates } from '../../data/text/duplicates.js'
import { textContent, textFingerprint } from '../../data/text/fingerprint.js'
import type { TextItem, TextsOptions } from '../../data/text/options.js'
import { splitsOf } from '../../data/text/samples.js'
import { checkTextsTrainable } from '../../data/text/targetWarnings.js'
import { texts } from '../../data/text/texts.js'
import type { SampleTable, TextDataset, TextSample } from '../../data/text/types.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { DataChoice, PreparedData } from '../training/modality.js'

export interface PreparedTexts extends PreparedData {
  readonly samples: SampleTable<TextSample>
}

/** What texts are opened from. */
export type TextSource = string | TextDataset | readonly (TextItem | string)[]

/** The options of a run that say how its texts are to be read. */
export function columnsOf(options: Omit<DataChoice, 'strict'>): TextsOptions {
  const { text, label, pair, splitColumn, target, classes, labelSeparator, normaliseLabels, separator } = options
  const { encoding, subset } = options
  return {
    ...(text === undefined ? {} : { text }),
    ...(label === undefined ? {} : { label }),
    ...(pair === undefined ? {} : { pair }),
    ...(splitColumn === undefined ? {} : { split: splitColumn }),
    ...(target === undefined || target === 'auto' ? {} : { target }),
    ...(classes === undefined ? {} : { classes }),
    ...(labelSeparator === undefined ? {} : { labelSeparator }),
    ...(normaliseLabels === undefined ? {} : { normaliseLabels }),
    ...(separator === undefined ? {} : { separator }),
    ...(encoding === undefined ? {} : { encoding }),
    ...(subset === undefined ? {} : { subset }),
  }
}

/** Opens a source, or takes a data set that is open; reads every text once. */
export async function prepareTexts(
  source: TextSource,
  options: DataChoice,
  context: RunContext,
): Promise<PreparedTexts> {
  const { signal, emit } = context
  const dataset = await opened(source, options, context)
  const name = dataset.origin ?? 'the list'
  for (const { role, column, why } of dataset.columns) context.decide(ROLES[role], column, why)
  const told = new Set(dataset.columns.map(({ why }) => why))
  for (const note of dataset.notes) if (!told.has(note)) context.decide('data', paths.base(name), note)
  const { targets, samples } = dataset
  if (targets === undefined)
    throw new UsageError(`${name}: these texts have no labels, which training needs.`, {
      remedy: 'Name the column of the labels with --label.',
    })
  for (const { id, kind, reason } of dataset.skipped) if (kind !== 'other-file') emit({ type: 'skipped', id, reason })
  // A class may be added to those that the model knows.
  checkTextsTrainable(dataset, options.keepClasses === true ? 1 : 2)
  const progress = context.progress('data', samples.length, 'texts')
  const duplicates = await findTextDuplicates(dataset, { signal, onProgress: (done) => progress.set(done) })
  progress.set(samples.length)
  const splits = splitsOf(samples)
  const warnings = [...dataset.warnings, ...duplicates.warnings]
  for (const warning of warnings) context.warn(warning)
  return {
    samples,
    origin: dataset.origin,
    length: samples.length,
    targets,
    idOf: (position) => samples.at(position)?.id ?? `#${position}`,
    contents: Array.from(samples, contentOf),
    groups: duplicates.groupOf,
    splits,
    given: new Set(splits.flatMap((split) => split ?? [])),
    fingerprint: await textFingerprint(dataset),
    skipped: dataset.skipped,
    warnings,
  }
}

const ROLES = {
  text: 'texts',
  pair: 'second texts',
  label: 'labels',
  split: 'parts',
  words: 'words',
  'word-labels': 'labels of words',
} as const

async function opened(source: TextSource, options: DataChoice, context: RunContext): Promise<TextDataset> {
  if (typeof source !== 'string' && !Array.isArray(source)) return source as TextDataset
  context.phase('data', `Reading ${typeof source === 'string' ? source : 'the list'}`)
  return texts(source as string | readonly (TextItem | string)[], {
    ...columnsOf(options),
    strict: options.strict,
    signal: context.signal,
  })
}

/** By which features are kept. */
export function contentOf(sample: TextSample): string {
  return sha256(textContent(sample)).slice(0, 40)
}
