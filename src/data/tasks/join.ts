/** Data sets of several tasks as one: samples one after the other, each knowing the labels of the tasks of its own source. */
import { paths } from '#platform'
import type { NamedTask } from '../targets.js'
import type { SampleTable, TextSample } from '../text/types.js'
import type { TaskDataset, TaskPhotos, TaskTexts } from './types.js'

/**
 * @param parts of one kind, at least one
 * @param names of the tasks, in the order wanted; each is in one of the parts
 */
export function joinTasks(parts: readonly TaskPhotos[], names: readonly string[]): TaskPhotos
export function joinTasks(parts: readonly TaskTexts[], names: readonly string[]): TaskTexts
export function joinTasks(parts: readonly TaskDataset[], names: readonly string[]): TaskDataset {
  const [first, second] = parts
  if (second === undefined) return { ...first!, tasks: inOrder(first!.tasks, names) }
  const prefixes = prefixesOf(parts)
  const counts = parts.map(({ dataset }) => dataset.samples.length)
  const total = counts.reduce((sum, count) => sum + count, 0)
  const sourceOf = new Int32Array(total)
  const tasks: NamedTask[] = []
  let start = 0
  for (const [i, part] of parts.entries()) {
    sourceOf.fill(i, start, start + counts[i]!)
    tasks.push(...part.tasks.map((task) => spread(task, start, total)))
    start += counts[i]!
  }
  const shared = {
    tasks: inOrder(tasks, names),
    notes: parts.flatMap(({ notes }) => notes),
    sourceOf,
  }
  const skipped = parts.flatMap(({ dataset }, i) =>
    dataset.skipped.map((skip) => ({ ...skip, id: `${prefixes[i]}${skip.id}` })),
  )
  const warnings = parts.flatMap(({ dataset }) => dataset.warnings)
  const origin = parts.map(({ dataset }) => dataset.origin ?? 'the list').join(', ')
  if (first!.kind === 'images') {
    const photos = parts as readonly TaskPhotos[]
    const samples = photos.flatMap(({ dataset }, i) =>
      dataset.samples.map((sample) => ({ ...sample, id: `${prefixes[i]}${sample.id}` })),
    )
    return { kind: 'images', ...shared, dataset: { kind: 'images', origin, classes: [], samples, skipped, warnings } }
  }
  const tables = (parts as readonly TaskTexts[]).map(({ dataset }) => dataset)
  return {
    kind: 'texts',
    ...shared,
    dataset: {
      kind: 'texts',
      origin,
      samples: new JoinedTable(
        tables.map(({ samples }) => samples),
        prefixes,
      ),
      targets: undefined,
      columns: tables.flatMap(({ columns }) => columns),
      notes: shared.notes,
      skipped,
      warnings,
    },
  }
}

function inOrder(tasks: readonly NamedTask[], names: readonly string[]): NamedTask[] {
  return names.flatMap((name) => tasks.filter((task) => task.name === name))
}

/** What stands before the samples' names, so that these stay different: the last part of the source's path. */
function prefixesOf(parts: readonly TaskDataset[]): string[] {
  const names = parts.map(({ dataset }) => (dataset.origin === undefined ? 'list' : paths.base(dataset.origin)))
  return names.map((name, i) => `${name}${names.indexOf(name) === i ? '' : ` (${i + 1})`}/`)
}

/** The task's targets among those of all sources: unknown outside its own. */
function spread({ name, targets }: NamedTask, start: number, total: number): NamedTask {
  switch (targets.kind) {
    case 'number': {
      const values = new Float64Array(total).fill(Number.NaN)
      values.set(targets.values, start)
      return { name, targets: { ...targets, values } }
    }
    case 'multi-label': {
      const width = targets.classes.length
      const labels = new Uint8Array(total * width)
      labels.set(targets.labels, start * width)
      const known = new Uint8Array(total)
      known.set(targets.known ?? new Uint8Array(targets.labels.length / Math.max(1, width)).fill(1), start)
      return { name, targets: { ...targets, labels, known } }
    }
    default: {
      const labels = new Int32Array(total).fill(-1)
      labels.set(targets.labels, start)
      return { name, targets: { ...targets, labels } }
    }
  }
}

/** Tables one after the other; reads from each when it is asked. */
class JoinedTable implements SampleTable<TextSample> {
  readonly length: number
  readonly #tables: readonly SampleTable<TextSample>[]
  readonly #prefixes: readonly string[]

  constructor(tables: readonly SampleTable<TextSample>[], prefixes: readonly string[]) {
    this.#tables = tables
    this.#prefixes = prefixes
    this.length = tables.reduce((sum, { length }) => sum + length, 0)
  }

  at(index: number): TextSample | undefined {
    let at = index
    for (const [i, table] of this.#tables.entries()) {
      if (at < table.length) {
        const sample = table.at(at)
        return sample && { ...sample, id: `${this.#prefixes[i]}${sample.id}` }
      }
      at -= table.length
    }
    return undefined
  }

  *[Symbol.iterator](): Generator<TextSample> {
    for (const [i, table] of this.#tables.entries())
      for (const sample of table) yield { ...sample, id: `${this.#prefixes[i]}${sample.id}` }
  }
}
