/** Labels of one task that another task's labels decide: what is missing can then be filled in. */
import { isKnown, labelReader, type NamedTask, type TaskTargets } from '../../data/targets.js'

/** A label that always goes with what another task says. */
export interface Implication {
  /** The task whose label follows, and the class. */
  readonly task: string
  readonly label: string
  /** The task that it follows from, and its label; undefined where any known label of it will do. */
  readonly from: string
  readonly when: string | undefined
  /** Samples that know both and agree, all of them. */
  readonly seen: number
  /** Samples that know the second alone. */
  readonly filled: number
}

export interface ImpliedLabels {
  readonly targets: TaskTargets
  readonly implications: readonly Implication[]
}

/** Fewer agreeing samples than this are no rule: with 30 an exception in ten would have shown with 96 %. */
const ENOUGH = 30
/** A class that nearly every sample has goes with everything. */
const COMMON = 0.9

/**
 * Fills in labels of tasks with one class a sample (where they are unknown) that follow from another task: every sample that knows
 * both, 30 at least, has the same class wherever the other task has this label, or any label. Nothing else changes.
 *
 * A sample that is filled in so was chosen by its class: the share of this class among the known labels is no longer what it is
 * in the data. `stackHeads` takes that into account.
 */
export function impliedLabels(targets: TaskTargets): ImpliedLabels {
  const implications: Implication[] = []
  const tasks = targets.tasks.map((task): NamedTask => {
    if (task.targets.kind !== 'single-label' && task.targets.kind !== 'ordinal') return task
    const own = task.targets
    const labels = own.labels.slice()
    for (const other of targets.tasks) {
      if (other === task) continue
      for (const found of rulesBetween(own, other)) {
        const rows = found.rows.filter((row) => labels[row]! < 0)
        if (rows.length === 0) continue
        for (const row of rows) labels[row] = found.label
        implications.push({
          task: task.name,
          label: own.classes[found.label]!,
          from: other.name,
          when: found.when,
          seen: found.seen,
          filled: rows.length,
        })
      }
    }
    return { ...task, targets: { ...own, labels } }
  })
  return { targets: implications.length === 0 ? targets : { ...targets, tasks }, implications }
}

interface Rule {
  readonly label: number
  readonly when: string | undefined
  readonly seen: number
  /** Samples that the rule speaks of and whose label is not known. */
  readonly rows: readonly number[]
}

function rulesBetween(
  own: { readonly labels: Int32Array; readonly classes: readonly string[] },
  { targets: other }: NamedTask,
): Rule[] {
  const counts = new Float64Array(own.classes.length)
  for (const label of own.labels) if (label >= 0) counts[label]!++
  const known = counts.reduce((a, b) => a + b, 0)
  const all = [...own.labels.keys()].filter((row) => isKnown(other, row))
  const rule = (rows: readonly number[], when: string | undefined): Rule | undefined => {
    const both = rows.filter((row) => own.labels[row]! >= 0)
    const label = own.labels[both[0] ?? 0]!
    if (both.length < ENOUGH || both.some((row) => own.labels[row] !== label)) return undefined
    if (counts[label]! > COMMON * known) return undefined
    return { label, when, seen: both.length, rows: rows.filter((row) => own.labels[row]! < 0) }
  }
  const whole = rule(all, undefined)
  if (whole !== undefined) return [whole]
  // A number or a set of labels takes too many values to be a rule.
  if (other.kind !== 'single-label' && other.kind !== 'ordinal') return []
  const read = labelReader(other)
  return other.classes.flatMap((_, c) => {
    const rows = all.filter((row) => other.labels[row] === c)
    return rows.length === 0 ? [] : (rule(rows, read(rows[0]!)) ?? [])
  })
}
