/** Texts of which nothing is to be known: opened without labels, in an order that follows from the texts alone. */
import { sha256, sha256Of } from '#platform'
import { UsageError } from '../../base/errors.js'
import { textContent } from '../../data/text/fingerprint.js'
import type { TextItem } from '../../data/text/options.js'
import { texts } from '../../data/text/texts.js'
import type { SampleTable, TextDataset, TextSample } from '../../data/text/types.js'
import { byContent, labelsByContent, type SampleLabels } from '../../data/unlabelled.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { DataChoice } from '../training/modality.js'
import { columnsOf, type PreparedTexts, type TextSource } from './prepare.js'

/** Opens a source, or takes a data set that is open. Labels, where there are any, are not looked at. */
export async function prepareUnlabelledTexts(
  source: TextSource,
  options: DataChoice,
  context: RunContext,
): Promise<PreparedTexts> {
  const { emit } = context
  const dataset = await opened(source, options, context)
  for (const { id, kind, reason } of dataset.skipped) if (kind !== 'other-file') emit({ type: 'skipped', id, reason })
  const found = Array.from(dataset.samples, contentOf)
  const order = byContent(found)
  const samples = reordered(dataset.samples, order)
  const contents = order.map((i) => found[i]!)
  return {
    samples,
    origin: dataset.origin,
    length: samples.length,
    targets: { kind: 'single-label', classes: [], labels: new Int32Array(samples.length).fill(-1) },
    idOf: (position) => samples.at(position)?.id ?? `#${position}`,
    contents,
    groups: Int32Array.from(order.keys()),
    splits: order.map(() => undefined),
    given: new Set(),
    fingerprint: sha256Of(['texts without labels\n', contents.join('\n')]),
    skipped: dataset.skipped,
    warnings: [],
  }
}

/** What the source says of its texts, by the name of each. @throws UsageError where they have no single class each */
export async function labelsOfTexts(
  source: TextSource,
  data: PreparedTexts,
  options: DataChoice,
  signal: AbortSignal,
): Promise<SampleLabels> {
  const { dataset, targets } = await openLabelled(source, options, signal)
  const known = new Map<string, number>()
  let at = 0
  for (const { id } of dataset.samples) known.set(id, targets.labels[at++]!)
  return {
    classes: targets.classes,
    labels: Int32Array.from(data.contents, (_, position) => known.get(data.idOf(position)) ?? -1),
  }
}

/** The same by a source of its own that holds some of the texts again: told by their content. */
export async function someLabelsOfTexts(
  source: TextSource,
  data: PreparedTexts,
  options: DataChoice,
  signal: AbortSignal,
): Promise<SampleLabels> {
  const { dataset, targets } = await openLabelled(source, options, signal)
  const known = Array.from(dataset.samples, (sample, i) => [contentOf(sample), targets.labels[i]!] as const)
  return labelsByContent(targets.classes, known, data.contents)
}

async function openLabelled(source: TextSource, options: DataChoice, signal: AbortSignal) {
  const dataset =
    typeof source === 'string' || Array.isArray(source)
      ? await texts(source as string | readonly (TextItem | string)[], {
          ...columnsOf({ ...options, target: 'auto', classes: undefined }),
          signal,
        })
      : (source as TextDataset)
  const { targets } = dataset
  const name = dataset.origin ?? 'the list'
  if (targets === undefined || (targets.kind !== 'single-label' && targets.kind !== 'ordinal'))
    throw new UsageError(`${name}: these texts have no column with one class each, which scoring them needs.`, {
      remedy: 'Name the column with --label, or leave --evaluate out.',
    })
  return { dataset, targets }
}

const contentOf = (sample: TextSample): string => sha256(textContent(sample)).slice(0, 40)

async function opened(source: TextSource, options: DataChoice, context: RunContext): Promise<TextDataset> {
  if (typeof source !== 'string' && !Array.isArray(source)) return source as TextDataset
  context.phase('data', `Reading ${typeof source === 'string' ? source : 'the list'}`)
  return texts(source as string | readonly (TextItem | string)[], {
    ...columnsOf({ ...options, target: 'auto', classes: undefined }),
    labels: false,
    strict: options.strict,
    signal: context.signal,
  })
}

function reordered(samples: SampleTable<TextSample>, order: readonly number[]): SampleTable<TextSample> {
  return {
    length: order.length,
    at: (index) => {
      const from = order[index]
      return from === undefined ? undefined : samples.at(from)
    },
    *[Symbol.iterator]() {
      for (const from of order) yield samples.at(from)!
    },
  }
}
