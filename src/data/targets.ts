/**
 * What is to be predicted, in the five shapes that tasks know. Labels lie apart from the samples, in typed arrays, so that a
 * choice of rows (a split, a fold, a batch) is one copy and so that two million of them cost what they weigh.
 */
import { InternalError } from '../base/errors.js'

/** One class a sample, out of `classes`. */
export interface SingleLabelTargets {
  readonly kind: 'single-label'
  readonly classes: readonly string[]
  /** (N), an index into `classes`; -1 where it is not known. */
  readonly labels: Int32Array
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

/** How many samples the targets speak of. */
export function countOf(targets: Targets): number {
  switch (targets.kind) {
    case 'multi-label':
      return targets.classes.length === 0 ? 0 : targets.labels.length / targets.classes.length
    case 'number':
      return targets.values.length
    default:
      return targets.labels.length
  }
}

/** Width of the logits: the number of classes, or 1 for a number. */
export function outputsOf(targets: Targets): number {
  return targets.kind === 'number' ? 1 : targets.classes.length
}

/** The targets of these samples, in this order; a sample may be named more than once. */
export function takeTargets(targets: Targets, rows: ArrayLike<number>): Targets {
  const count = countOf(targets)
  for (let to = 0; to < rows.length; to++) {
    const from = rows[to]!
    if (!Number.isInteger(from) || from < 0 || from >= count)
      throw new InternalError(`row ${from} of ${count} targets was asked for`)
  }
  switch (targets.kind) {
    case 'single-label':
    case 'ordinal':
      return { ...targets, labels: Int32Array.from(rows, (row) => targets.labels[row]!) }
    case 'number':
      return { ...targets, values: Float64Array.from(rows, (row) => targets.values[row]!) }
    case 'token-labels':
      return { ...targets, labels: Array.from(rows, (row) => targets.labels[row]!) }
    case 'multi-label': {
      const width = targets.classes.length
      const labels = new Uint8Array(rows.length * width)
      for (let to = 0; to < rows.length; to++)
        labels.set(targets.labels.subarray(rows[to]! * width, (rows[to]! + 1) * width), to * width)
      return { ...targets, labels }
    }
  }
}

/** Whether the sample's target is known: has a label, a number, or at least one labelled word. Several labels are always known. */
export function isKnown(targets: Targets, row: number): boolean {
  switch (targets.kind) {
    case 'single-label':
    case 'ordinal':
      return targets.labels[row]! >= 0
    case 'number':
      return !Number.isNaN(targets.values[row]!)
    case 'token-labels':
      return targets.labels[row]!.some((label) => label >= 0)
    case 'multi-label':
      return true
  }
}

/** What the targets say of a sample, as one text for people; equal texts are equal targets. */
export function labelReader(targets: Targets): (row: number) => string {
  switch (targets.kind) {
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
