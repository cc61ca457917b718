/** What the labels of other tasks tell of a label that is missing: classes that the sample cannot have. */
import { type Matrix, matrix, row, takeRows } from '../../base/matrix.js'
import { countOf, isKnown, type NamedTask, type TaskTargets } from '../../data/targets.js'

/** Classes that never go with what another task says. */
export interface Implication {
  /** The task whose label is told of, and the classes that it does not have then. */
  readonly task: string
  readonly never: readonly string[]
  /** The other task, and what it says: that its label is known, that it is missing, or which it is. */
  readonly from: string
  readonly when: { readonly label: string } | 'known' | 'missing'
  /** Samples that have a label of the task where the other one says so: all of other classes. */
  readonly seen: number
  /** Samples without a label of the task that this tells something new of. */
  readonly told: number
}

/** The samples of a task without a label of which something is known all the same. */
export interface ImpliedClasses {
  /** Ascending. */
  readonly rows: Int32Array
  /** (rows, C): 1 for classes that the sample may have, one at least. */
  readonly possible: Matrix
  /**
   * (C): of the samples with a label of each class, the share of which as much would have been known without it. Where this
   * differs, samples were chosen by their class.
   */
  readonly shares: Float64Array
  /** Whether the shares are all alike: then samples were not chosen by their class. */
  readonly even: boolean
}

export interface ImpliedLabels {
  /** By task; undefined where nothing is told of it. */
  readonly classes: readonly (ImpliedClasses | undefined)[]
  readonly implications: readonly Implication[]
}

/** Shares that differ by less are alike. */
const ALIKE = 0.02
/** How probable it may be that some rule is found where there is none. */
const CHANCE = 0.01

/**
 * For each task with one class a sample: a class that has the share p of its labels, and that none of the n labelled samples has
 * whose other task says s, is taken to be impossible for all samples of which it says s, where chance alone would give that with
 * a probability exp(-n p) below 0.01 / (C S), S being what the other tasks can say. What they can say is that their label is
 * known, that it is missing, and each of their classes.
 */
export function impliedLabels({ tasks }: TaskTargets): ImpliedLabels {
  const implications: Implication[] = []
  const classes = tasks.map((task, k) => {
    if (task.targets.kind !== 'single-label' && task.targets.kind !== 'ordinal') return undefined
    const others = tasks.filter((_, j) => j !== k)
    return impliedOf(task.name, task.targets, others, implications)
  })
  return { classes, implications }
}

function impliedOf(
  task: string,
  targets: Classes,
  others: readonly NamedTask[],
  implications: Implication[],
): ImpliedClasses | undefined {
  const { labels, classes } = targets
  const width = classes.length
  const counts = countsOf(labels, width)
  const known = counts.reduce((a, b) => a + b, 0)
  const said = others.flatMap((other) => statements(other))
  const wanted = Math.log((width * said.length) / CHANCE)
  const own: Implication[] = []
  const out = new Uint8Array(labels.length * width)
  for (const { from, when, rows } of said) {
    const both = rows.flatMap((row) => (labels[row]! >= 0 ? [labels[row]!] : []))
    const seen = countsOf(Int32Array.from(both), width)
    const never = classes.filter((_, c) => seen[c] === 0 && (both.length * counts[c]!) / known >= wanted)
    if (never.length === 0) continue
    const at = (row: number, name: string) => row * width + classes.indexOf(name)
    const told = rows.filter((row) => labels[row]! < 0 && never.some((name) => out[at(row, name)] === 0)).length
    for (const row of rows) for (const name of never) out[at(row, name)] = 1
    if (told > 0) own.push({ task, never, from, when, seen: both.length, told })
  }
  // As if no sample had a label of its own: how much would be told of each class.
  const left = classesLeft(targets, own, said)
  const tells = (row: number) => left.data.subarray(row * width, (row + 1) * width).includes(1)
  const rows = Int32Array.from(labels.keys()).filter((row) => labels[row]! < 0 && tells(row))
  if (rows.length === 0) return undefined
  implications.push(...own)
  const would = countsOf(
    labels.map((label, row) => (tells(row) ? label : -1)),
    width,
  )
  const shares = would.map((m, c) => (counts[c]! > 0 ? m / counts[c]! : 1))
  const present = shares.filter((_, c) => counts[c]! > 0)
  const even = Math.min(...present) >= (1 - ALIKE) * Math.max(...present)
  return { rows, possible: takeRows(left, rows), shares, even }
}

/** One class a sample. */
interface Classes {
  readonly labels: Int32Array
  readonly classes: readonly string[]
}

/**
 * For every sample (N, C) 1 for the classes that other tasks leave it, whether its own label is known or not; all 0 where they
 * tell nothing, or contradict each other and leave none.
 *
 * @param said what the other tasks say
 */
function classesLeft(
  { labels, classes }: Classes,
  implications: readonly Implication[],
  said: readonly Statement[],
): Matrix {
  const width = classes.length
  const left = matrix(labels.length, width)
  left.data.fill(1)
  for (const { never, from, when } of implications) {
    const rows = said.find((one) => one.from === from && sameStatement(one.when, when))?.rows ?? []
    for (const row of rows) for (const name of never) left.data[row * width + classes.indexOf(name)] = 0
  }
  for (let i = 0; i < left.rows; i++) if (!row(left, i).includes(0)) row(left, i).fill(0)
  return left
}

/** The targets with what these implications tell of samples without a label, of tasks with one class a sample. */
export function withPossibleClasses(targets: TaskTargets, implications: readonly Implication[]): TaskTargets {
  const tasks = targets.tasks.map((task) => {
    const own = implications.filter((one) => one.task === task.name)
    if (own.length === 0 || task.targets.kind !== 'single-label') return task
    const said = targets.tasks.filter((other) => other !== task).flatMap((other) => statements(other))
    const left = classesLeft(task.targets, own, said)
    return { ...task, targets: { ...task.targets, possible: Uint8Array.from(left.data) } }
  })
  return { ...targets, tasks }
}

/** (C): samples whose label is known, by class. */
export function countsOf(labels: Int32Array, classes: number): Float64Array {
  const counts = new Float64Array(classes)
  for (const label of labels) if (label >= 0) counts[label]!++
  return counts
}

interface Statement extends Pick<Implication, 'from' | 'when'> {
  readonly rows: readonly number[]
}

const sameStatement = (a: Implication['when'], b: Implication['when']): boolean =>
  typeof a === 'string' || typeof b === 'string' ? a === b : a.label === b.label

/** What a task can say, and of which samples it does. */
function statements({ name, targets }: NamedTask): Statement[] {
  const all = Array.from({ length: countOf(targets) }, (_, row) => row)
  const found: Statement[] = [
    { from: name, when: 'known', rows: all.filter((row) => isKnown(targets, row)) },
    { from: name, when: 'missing', rows: all.filter((row) => !isKnown(targets, row)) },
  ]
  // A number or a set of labels takes too many values.
  if (targets.kind !== 'single-label' && targets.kind !== 'ordinal') return found
  return [
    ...found,
    ...targets.classes.map((label, c): Statement => {
      return { from: name, when: { label }, rows: all.filter((row) => targets.labels[row] === c) }
    }),
  ]
}
