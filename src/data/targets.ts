/**
 * What is to be predicted, in the five shapes that tasks know, and several of these at once. Labels lie apart from the samples, in typed arrays, so that a
 * choice of rows (a split, a fold, a batch) is one copy and so that two million of them cost what they weigh.
 */
import { InternalError } from '../base/errors.js'

/** One class a sample, out of `classes`. */
export interface SingleLabelTargets {
  readonly kind: 'single-label'
  readonly classes: readonly string[]
  /** (N), an index into `classes`; -1 where it is not known. */
  readonly labels: Int32Array
  /**
   * (N, C), of samples whose class is not known: 1 for the classes that it may be; all 0 where nothing is known of it. A training
   * without label smoothing learns what it tells. @default nothing is known
   */
  readonly possible?: Uint8Array
}

/** One class a sample, where the classes have an order: stars, grades, low to high. */
export interface OrdinalTargets {
  readonly kind: 'ordinal'
  /** From low to high. */
  readonly classes: readonly string[]
  /** (N), an index into `classes`; -1 where it is not known. */
  readonly labels: Int32Array
}

/** Any number of classes a sample, none included. */
export interface MultiLabelTargets {
  readonly kind: 'multi-label'
  readonly classes: readonly string[]
  /** (N, C), row by row: 1 where the sample has the class, else 0. */
  readonly labels: Uint8Array
  /** (N): 0 where nothing is known of the sample, whatever `labels` says. @default every sample is known */
  readonly known?: Uint8Array
}

/** A number a sample. */
export interface NumberTargets {
  readonly kind: 'number'
  /** What the number is, for people: the column's name. */
  readonly name: string
  /** (N); NaN where it is not known. */
  readonly values: Float64Array
}

/** A class a word: names in a text, parts of speech. */
export interface TokenTargets {
  readonly kind: 'token-labels'
  readonly classes: readonly string[]
  /** For each sample an index into `classes` a word; -1 where it is not known. */
  readonly labels: readonly Int32Array[]
}

/** What is to be predicted, and what each of N samples says of it. */
export type Targets = SingleLabelTargets | OrdinalTargets | MultiLabelTargets | NumberTargets | TokenTargets

/** One of several tasks on the same samples. */
export interface NamedTask {
  readonly name: string
  readonly targets: Exclude<Targets, TokenTargets>
}

/** Several answers a sample: the logits of the tasks lie side by side, (N, C1 + ... + CK). Any of them may be unknown. */
export interface TaskTargets {
  readonly kind: 'tasks'
  /** At least one; names differ; all speak of the same N samples. */
  readonly tasks: readonly NamedTask[]
}

/** One thing to be predicted of each sample, or several. */
export type AnyTargets = Targets | TaskTargets

/** How many samples the targets speak of. */
export function countOf(targets: AnyTargets): number {
  switch (targets.kind) {
    case 'tasks':
      return targets.tasks.length === 0 ? 0 : countOf(targets.tasks[0]!.targets)
    case 'multi-label':
      return targets.classes.length === 0 ? 0 : targets.labels.length / targets.classes.length
    case 'number':
      return targets.values.length
    default:
      return targets.labels.length
  }
}

/** Width of the logits: the number of classes, or 1 for a number; of several tasks their sum. */
export function outputsOf(targets: AnyTargets): number {
  if (targets.kind === 'tasks') return targets.tasks.reduce((sum, task) => sum + outputsOf(task.targets), 0)
  return targets.kind === 'number' ? 1 : targets.classes.length
}

/** The targets of these samples, in this order; a sample may be named more than once. */
export function takeTargets<T extends AnyTargets>(targets: T, rows: ArrayLike<number>): T
export function takeTargets(targets: AnyTargets, rows: ArrayLike<number>): AnyTargets {
  if (targets.kind === 'tasks')
    return { ...targets, tasks: targets.tasks.map((task) => ({ ...task, targets: takeTargets(task.targets, rows) })) }
  const count = countOf(targets)
  for (let to = 0; to < rows.length; to++) {
    const from = rows[to]!
    if (!Number.isInteger(from) || from < 0 || from >= count)
      throw new InternalError(`row ${from} of ${count} targets was asked for`)
  }
  const width = outputsOf(targets)
  const rowsOf = (values: Uint8Array): Uint8Array => {
    const own = new Uint8Array(rows.length * width)
    for (let to = 0; to < rows.length; to++)
      own.set(values.subarray(rows[to]! * width, (rows[to]! + 1) * width), to * width)
    return own
  }
  switch (targets.kind) {
    case 'single-label': {
      const { possible } = targets
      const labels = Int32Array.from(rows, (row) => targets.labels[row]!)
      return { ...targets, labels, ...(possible && { possible: rowsOf(possible) }) }
    }
    case 'ordinal':
      return { ...targets, labels: Int32Array.from(rows, (row) => targets.labels[row]!) }
    case 'number':
      return { ...targets, values: Float64Array.from(rows, (row) => targets.values[row]!) }
    case 'token-labels':
      return { ...targets, labels: Array.from(rows, (row) => targets.labels[row]!) }
    case 'multi-label': {
      const { known } = targets
      return {
        ...targets,
        labels: rowsOf(targets.labels),
        ...(known && { known: Uint8Array.from(rows, (row) => known[row]!) }),
      }
    }
  }
}

/**
 * Whether the sample's target is known: has a label, a number, or at least one labelled word. Several labels are known unless
 * `known` says otherwise; of several tasks at least one is.
 */
export function isKnown(targets: AnyTargets, row: number): boolean {
  switch (targets.kind) {
    case 'tasks':
      return targets.tasks.some((task) => isKnown(task.targets, row))
    case 'single-label':
    case 'ordinal':
      return targets.labels[row]! >= 0
    case 'number':
      return !Number.isNaN(targets.values[row]!)
    case 'token-labels':
      return targets.labels[row]!.some((label) => label >= 0)
    case 'multi-label':
      return targets.known === undefined || targets.known[row] === 1
  }
}

/** What the targets say of a sample, as one text for people; equal texts are equal targets. */
export function labelReader(targets: AnyTargets): (row: number) => string {
  switch (targets.kind) {
    case 'tasks': {
      const readers = targets.tasks.map((task) => ({ name: task.name, read: labelReader(task.targets) }))
      return (row) => readers.map(({ name, read }) => `${name}: ${read(row)}`).join('; ')
    }
    case 'number':
      return (row) => String(targets.values[row])
    case 'multi-label': {
      const { classes, labels } = targets
      return (row) => classes.filter((_, c) => labels[row * classes.length + c] === 1).join(', ') || 'none'
    }
    case 'token-labels':
      return (row) => Array.from(targets.labels[row]!, (label) => targets.classes[label] ?? '?').join(' ')
    default:
      return (row) => targets.classes[targets.labels[row]!] ?? 'no label'
  }
}
