/** Gathers the labels of several tasks as rows are read, and understands each column by itself. */

import { classWarnings } from '../datasetWarnings.js'
import { plainName } from '../table/columnNames.js'
import type { Cell } from '../table/table.js'
import { isKnown, type NamedTask, takeTargets } from '../targets.js'
import { flagOf, isEmpty } from '../text/columnLook.js'
import { LabelCollector } from '../text/labelColumn.js'
import { understandLabels } from '../text/labels.js'
import { classFrequencies } from '../text/targetWarnings.js'
import type { TaskSpec } from './types.js'

/** A task with the columns that it is read from. */
export interface TaskColumns extends TaskSpec {
  readonly columns: readonly string[]
}

/** The tasks whose columns there are; all of them where there is none, so that the lack is told. */
export function presentIn(specs: readonly TaskSpec[], columns: readonly string[]): readonly TaskSpec[] {
  const plain = new Set(columns.map(plainName))
  const found = specs.filter((spec) => (spec.columns ?? [spec.name]).every((column) => plain.has(plainName(column))))
  return found.length > 0 ? found : specs
}

export interface TaskLabelOptions {
  readonly nouns: { readonly one: string; readonly many: string }
  readonly labelSeparator?: string | undefined
  readonly normaliseLabels?: boolean | undefined
  /** Names of the classes by column, where the format keeps them apart from numbered labels. */
  readonly classNames?: ReadonlyMap<string, readonly string[]> | undefined
}

export interface UnderstoodTasks {
  readonly tasks: readonly NamedTask[]
  readonly notes: readonly string[]
  readonly warnings: readonly string[]
}

export class TaskLabels {
  readonly #specs: readonly TaskColumns[]
  readonly #collectors: readonly LabelCollector[]
  readonly #odd: number[]

  constructor(specs: readonly TaskColumns[]) {
    this.#specs = specs
    this.#collectors = specs.map(({ columns }) => new LabelCollector(columns.join(', ')))
    this.#odd = specs.map(() => 0)
  }

  /** Whether a row says something of at least one task. */
  says(cell: (column: string) => Cell | undefined): boolean {
    return this.#specs.some(({ columns }) => columns.some((column) => !isEmpty(cell(column))))
  }

  add(cell: (column: string) => Cell | undefined): void {
    for (const [i, { columns }] of this.#specs.entries()) {
      const [only = '', second] = columns
      this.#collectors[i]!.add(second === undefined ? cell(only) : this.#several(i, columns, cell))
    }
  }

  /** The names of the columns that hold 1; nothing where they are empty or hold something else. */
  #several(task: number, columns: readonly string[], cell: (column: string) => Cell | undefined): Cell {
    if (columns.every((column) => isEmpty(cell(column)))) return null
    const flags = columns.map((column) => flagOf(cell(column)))
    if (flags.includes(undefined)) {
      this.#odd[task]! += 1
      return null
    }
    return columns.filter((_, i) => flags[i])
  }

  understand({ nouns, classNames, ...options }: TaskLabelOptions): UnderstoodTasks {
    const notes: string[] = []
    const warnings: string[] = []
    const tasks = this.#specs.map(({ name, columns, kind, classes }, i): NamedTask => {
      const column = this.#collectors[i]!.column()
      const found = understandLabels(column, {
        name: columns.join(', '),
        options: { ...options, target: kind, classes: classes ?? (columns.length > 1 ? columns : undefined) },
        classNames: columns.length > 1 ? columns : classNames?.get(columns[0] ?? ''),
        columnEach: columns.length > 1,
        task: { name, ...nouns },
      })
      const targets = found.targets as NamedTask['targets']
      const task =
        targets.kind === 'multi-label' && column.rows.includes(-1)
          ? { name, targets: { ...targets, known: Uint8Array.from(column.rows, (at) => (at === -1 ? 0 : 1)) } }
          : { name, targets }
      notes.push(`${name}: ${found.note}`)
      const odd = this.#odd[i]!
      if (odd > 0)
        warnings.push(
          `${name}, ${odd} ${odd === 1 ? `${nouns.one} has` : `${nouns.many} have`} something else than 0 and 1 in ${columns.join(', ')}: taken as not known.`,
        )
      warnings.push(...[...found.warnings, ...taskWarnings(task, nouns)].map((warning) => about(name, warning)))
      return task
    })
    return { tasks, notes, warnings }
  }
}

/** A sentence as one on a task. */
export function about(task: string, sentence: string): string {
  return `${task}, ${sentence.charAt(0).toLowerCase()}${sentence.slice(1)}`
}

/** Sentences on classes that are tiny, uneven or named almost alike, among the samples that the task knows. */
export function taskWarnings({ targets }: NamedTask, nouns: TaskLabelOptions['nouns']): string[] {
  if (targets.kind === 'number') return []
  const known = knownOf(targets)
  // Whether there is only one class is checked before training, on the part that trains.
  return classWarnings(targets.classes, classFrequencies(takeTargets(targets, known)), nouns).filter(
    (warning) => !warning.startsWith('All '),
  )
}

/** Positions of the samples of which the task knows something, ascending. */
export function knownOf(targets: NamedTask['targets']): Int32Array {
  const count =
    targets.kind === 'number'
      ? targets.values.length
      : targets.kind === 'multi-label'
        ? targets.labels.length / Math.max(1, targets.classes.length)
        : targets.labels.length
  return Int32Array.from({ length: count }, (_, i) => i).filter((i) => isKnown(targets, i))
}
