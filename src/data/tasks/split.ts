/** One division of the samples for all tasks: a sample, with its copies, lies in one part, whatever tasks know it. */
import type { Random } from '../../base/random.js'
import type { SplitResult } from '../split.js'
import { quantilesOf, splitSamples } from '../splitSamples.js'
import { countOf, type MultiLabelTargets, type NamedTask } from '../targets.js'
import type { Split } from '../types.js'

export interface TaskSplitOptions {
  readonly tasks: readonly NamedTask[]
  /** (N): the first of the copies of each sample. */
  readonly groups: Int32Array
  /** Where the data itself puts each sample. */
  readonly given: readonly (Split | undefined)[]
  /** (N): the source of each sample. Each is divided by itself, for one may name its test samples and another none. */
  readonly sourceOf: Int32Array
  readonly validation: number
  readonly test: number
  readonly random: Random
}

/**
 * Divides in proportion to the classes of all tasks at once (numbers by quantiles), by iterative stratification over the pairs
 * of task and class. Copies that lie in several sources go where the data puts one of them, else where the first of them is.
 *
 * @throws UsageError where the shares leave nothing to train on
 */
export function splitTasks(options: TaskSplitOptions): SplitResult {
  const { tasks, groups, given, sourceOf, random, ...shares } = options
  const targets = strata(tasks)
  const sources = new Set(sourceOf)
  if (sources.size <= 1) return splitSamples({ targets, groups, given, ...shares, random })
  const part = new Array<Split>(sourceOf.length)
  for (const source of sources) {
    const rows = Int32Array.from(sourceOf, (_, i) => i).filter((i) => sourceOf[i] === source)
    const width = targets.classes.length
    const labels = new Uint8Array(rows.length * width)
    for (const [to, row] of rows.entries())
      labels.set(targets.labels.subarray(row * width, (row + 1) * width), to * width)
    const found = splitSamples({
      targets: { ...targets, labels },
      groups: rows.map((row) => groups[row]!),
      given: Array.from(rows, (row) => given[row]),
      ...shares,
      random: random.fork('source', source),
    })
    for (const name of ['train', 'validation', 'test'] as const) for (const at of found[name]) part[rows[at]!] = name
  }
  joinCopies(part, groups, given)
  const positions = (name: Split) => Int32Array.from(part, (_, i) => i).filter((i) => part[i] === name)
  return { train: positions('train'), validation: positions('validation'), test: positions('test') }
}

/** Copies of which the data places none, or one, all go to one part. What the data says stays: a leak of its own is reported. */
function joinCopies(part: Split[], groups: Int32Array, given: readonly (Split | undefined)[]): void {
  const place = new Map<number, Split>()
  for (const [i, group] of groups.entries()) {
    const said = given[i]
    const known = place.get(group)
    if (known === undefined) place.set(group, part[i]!)
    if (said !== undefined && said !== 'train') place.set(group, said)
  }
  for (const [i, group] of groups.entries()) if (given[i] === undefined) part[i] = place.get(group)!
}

/** Every pair of task and class as a label of its own. */
function strata(tasks: readonly NamedTask[]): MultiLabelTargets {
  const [first] = tasks
  const n = first === undefined ? 0 : countOf(first.targets)
  const columns: {
    readonly name: string
    readonly width: number
    readonly has: (row: number, label: number) => boolean
  }[] = tasks.map(({ name, targets }) => {
    switch (targets.kind) {
      case 'multi-label': {
        const { classes, labels, known } = targets
        const width = classes.length
        return { name, width, has: (row, c) => labels[row * width + c] === 1 && known?.[row] !== 0 }
      }
      case 'number': {
        const quantiles = quantilesOf(targets.values)
        const width = quantiles.reduce((most, value) => Math.max(most, value), -1) + 1
        return { name, width, has: (row, c) => quantiles[row] === c }
      }
      default:
        return { name, width: targets.classes.length, has: (row, c) => targets.labels[row] === c }
    }
  })
  const classes = columns.flatMap(({ name, width }) => Array.from({ length: width }, (_, c) => `${name} ${c}`))
  const labels = new Uint8Array(n * classes.length)
  let start = 0
  for (const { width, has } of columns) {
    for (let row = 0; row < n; row++)
      for (let c = 0; c < width; c++) if (has(row, c)) labels[row * classes.length + start + c] = 1
    start += width
  }
  return { kind: 'multi-label', classes, labels }
}
