/** From what the user gave to texts that can be trained on: opened, columns and labels told, copies found. */
import { paths, sha256 } from '#platform'
import { GraftError, UsageError } from '../../base/errors.js'
import { countOf, type Targets } from '../../data/targets.js'
import { findTextDuplicates } from '../../data/text/duplicates.js'
import { textContent, textFingerprint } from '../../data/text/fingerprint.js'
import type { TextItem, TextsOptions } from '../../data/text/options.js'
import { texts } from '../../data/text/texts.js'
import type { SampleTable, TextDataset, TextSample } from '../../data/text/types.js'
import type { Split } from '../../data/types.js'
import type { RunContext } from '../../techniques/run/run.js'
import { countsAt } from '../training/divide.js'
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
    ...(subset === undefined ? {} : { config: subset }),
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
  const splits: (Split | undefined)[] = []
  const contents: string[] = []
  const progress = context.progress('data', samples.length, 'texts')
  for (const sample of samples) {
    splits.push(sample.split)
    contents.push(sha256(textContent(sample)).slice(0, 40))
    if (splits.length % 1000 === 0) {
      signal.throwIfAborted()
      progress.set(splits.length)
    }
  }
  progress.set(samples.length)
  checkLearnable(name, targets, splits)
  const copies = await findTextDuplicates(dataset, { signal })
  const warnings = [...dataset.warnings, ...copies.warnings]
  for (const warning of warnings) context.warn(warning)
  return {
    samples,
    origin: dataset.origin,
    length: samples.length,
    targets,
    idOf: (position) => samples.at(position)?.id ?? `#${position}`,
    contents,
    groups: copies.groupOf,
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

/** @throws GraftError where there is nothing to learn */
function checkLearnable(name: string, targets: Targets, splits: readonly (Split | undefined)[]): void {
  const train = Array.from({ length: countOf(targets) }, (_, i) => i).filter(
    (i) => splits[i] === undefined || splits[i] === 'train',
  )
  if (train.length === 0)
    throw new GraftError(`${name}: it has no texts to train on, only ${[...new Set(splits)].join(', ')}.`, {
      remedy: 'Add rows whose part is "train", or leave the column out.',
    })
  if (targets.kind === 'number') return
  const counts = countsAt(targets, train)
  const present = targets.classes.filter((_, c) => counts[c]! > 0)
  if (targets.kind === 'multi-label') {
    if (present.length === 0)
      throw new GraftError(`${name}: none of the texts to train on has a label.`, {
        remedy: 'Check the column of the labels.',
      })
    return
  }
  if (present.length < 2)
    throw new GraftError(
      `${name}: ${present.length === 0 ? 'no text to train on has a label' : `all labels to train on are "${present[0]}"`}; a classifier needs two classes at least.`,
      { remedy: 'Check the column of the labels (--label), or add texts of another class.' },
    )
  const empty = targets.classes.filter((_, c) => counts[c] === 0)
  if (empty.length > 0 && targets.kind !== 'token-labels')
    throw new GraftError(`${name}: no text to train on has the label ${empty.slice(0, 5).join(', ')}.`, {
      remedy: 'Add texts of it to the part to train on, or remove it from the others.',
    })
}
