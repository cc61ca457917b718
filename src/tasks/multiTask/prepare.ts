/** From what the user gave to samples that several tasks can be trained on: opened, looked at, copies found. */
import { paths, sha256Of } from '#platform'
import { findDuplicates } from '../../data/duplicates.js'
import { datasetFingerprint } from '../../data/fingerprint.js'
import { scanPhotos, withoutUnreadable } from '../../data/scan.js'
import { labelReader, type SingleLabelTargets, type TaskTargets, takeTargets } from '../../data/targets.js'
import { openTasks } from '../../data/tasks/open.js'
import type { TaskItem, TaskPhotos, TaskSpec, TaskTexts } from '../../data/tasks/types.js'
import { findTextDuplicates } from '../../data/text/duplicates.js'
import { textFingerprint } from '../../data/text/fingerprint.js'
import { splitsOf } from '../../data/text/samples.js'
import type { SkippedFile, Split } from '../../data/types.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { PreparedPhotos } from '../images/prepare.js'
import { contentOf, type PreparedTexts } from '../texts/prepare.js'
import type { PreparedData } from '../training/modality.js'
import type { MultitaskOptions } from './options.js'

/** Samples, and what each task says of them. */
export interface PreparedTasks<D extends PreparedData = PreparedData> {
  readonly kind: 'images' | 'texts'
  /** As a modality takes it; its own targets say nothing. */
  readonly data: D
  readonly targets: TaskTargets
  readonly sourceOf: Int32Array
  readonly notes: readonly string[]
}

export type AnyPrepared =
  | (PreparedTasks<PreparedPhotos> & { readonly kind: 'images' })
  | (PreparedTasks<PreparedTexts> & { readonly kind: 'texts' })

export async function prepareTasks(
  source: string | readonly TaskItem[] | undefined,
  specs: readonly TaskSpec[],
  options: Pick<
    MultitaskOptions,
    | 'task'
    | 'strict'
    | 'text'
    | 'pair'
    | 'splitColumn'
    | 'labelSeparator'
    | 'normaliseLabels'
    | 'separator'
    | 'encoding'
    | 'subset'
  >,
  context: RunContext,
): Promise<AnyPrepared> {
  const { task, strict, text, pair, splitColumn, labelSeparator, normaliseLabels, separator, encoding, subset } =
    options
  const { signal } = context
  context.phase(
    'data',
    `Reading ${typeof source === 'string' ? source : source ? 'the list' : 'the data of each task'}`,
  )
  const opened = await openTasks(source, specs, {
    kind: task === 'auto' ? undefined : task,
    strict,
    text,
    pair,
    split: splitColumn,
    labelSeparator,
    normaliseLabels,
    separator,
    encoding,
    subset,
    signal,
  })
  for (const note of opened.notes) context.decide('data', paths.base(opened.dataset.origin ?? 'the list'), note)
  const prepared = opened.kind === 'images' ? await photos(opened, options, context) : await texts(opened, context)
  for (const { id, kind, reason } of prepared.data.skipped)
    if (kind !== 'other-file') context.emit({ type: 'skipped', id, reason })
  for (const warning of prepared.data.warnings) context.warn(warning)
  return prepared
}

async function photos(
  { dataset: opened, tasks, notes, sourceOf }: TaskPhotos,
  { strict }: { readonly strict: boolean },
  context: RunContext,
): Promise<Extract<AnyPrepared, { kind: 'images' }>> {
  const progress = context.progress('data', opened.samples.length, 'photos')
  const scanned = await scanPhotos(opened.samples, {
    strict,
    signal: context.signal,
    onProgress: (done) => progress.set(done),
  })
  const { dataset, scan, kept } = withoutUnreadable(opened, scanned)
  const duplicates = findDuplicates(dataset, scan)
  const targets: TaskTargets = takeTargets({ kind: 'tasks', tasks }, kept)
  const { samples } = dataset
  return {
    kind: 'images',
    targets,
    notes,
    sourceOf: kept.map((i) => sourceOf[i]!),
    data: {
      dataset,
      ...common(dataset, samples.length, targets, datasetFingerprint(dataset, scan), duplicates),
      idOf: (position) => samples[position]!.id,
      contents: scan.contents,
      ...partsOf(samples.map((sample) => sample.split)),
    },
  }
}

async function texts(
  { dataset, tasks, notes, sourceOf }: TaskTexts,
  context: RunContext,
): Promise<Extract<AnyPrepared, { kind: 'texts' }>> {
  const { samples } = dataset
  const progress = context.progress('data', samples.length, 'texts')
  const duplicates = await findTextDuplicates(dataset, {
    signal: context.signal,
    onProgress: (done) => progress.set(done),
  })
  progress.set(samples.length)
  const targets: TaskTargets = { kind: 'tasks', tasks }
  return {
    kind: 'texts',
    targets,
    notes,
    sourceOf,
    data: {
      samples,
      ...common(dataset, samples.length, targets, await textFingerprint(dataset), duplicates),
      idOf: (position) => samples.at(position)?.id ?? `#${position}`,
      contents: Array.from(samples, contentOf),
      ...partsOf(splitsOf(samples)),
    },
  }
}

/** What both kinds have in common. */
function common(
  dataset: {
    readonly origin: string | undefined
    readonly skipped: readonly SkippedFile[]
    readonly warnings: readonly string[]
  },
  length: number,
  targets: TaskTargets,
  samples: string,
  duplicates: { readonly groupOf: Int32Array; readonly warnings: readonly string[] },
) {
  const read = labelReader(targets)
  const heads = targets.tasks.map(({ name, targets: own }) => [
    name,
    own.kind,
    own.kind === 'number' ? own.name : own.classes,
  ])
  const labels = Array.from({ length }, (_, i) => `${read(i)}\n`)
  return {
    origin: dataset.origin,
    length,
    targets: {
      kind: 'single-label',
      classes: [],
      labels: new Int32Array(length).fill(-1),
    } satisfies SingleLabelTargets,
    groups: duplicates.groupOf,
    fingerprint: sha256Of([`${samples}\n${JSON.stringify(heads)}\n`, ...labels]),
    skipped: dataset.skipped,
    warnings: [...dataset.warnings, ...duplicates.warnings],
  }
}

function partsOf(splits: readonly (Split | undefined)[]) {
  return { splits, given: new Set(splits.flatMap((split) => split ?? [])) }
}
