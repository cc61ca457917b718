/** What is to be known of several tasks before they are trained together; what makes it impossible is refused. */
import { GraftError } from '../../base/errors.js'
import { list } from '../layout.js'
import type { SplitResult } from '../split.js'
import { quantilesOf } from '../splitSamples.js'
import { isKnown, type NamedTask, takeTargets } from '../targets.js'
import { classFrequencies } from '../text/targetWarnings.js'

interface Nouns {
  readonly one: string
  readonly many: string
}

/** Samples that two tasks must both know for a word on how one follows from the other. */
const FEWEST_COMMON = 20
/** Of what always saying the commonest class gets wrong, the share that another task's class puts right. */
const DETERMINES = 0.9
/** A loss so many times another decides where the shared weights go. */
const SCALES = 10
/** Labels in the training part. */
const FEW = 20

/**
 * Sentences on tasks of which one follows from another, that no held-out sample measures, that have few labels or whose losses
 * begin orders of magnitude apart.
 *
 * @throws GraftError where a task has nothing to learn: no label, or one class or one number alone, in the training part
 */
export function checkTasks(tasks: readonly NamedTask[], split: SplitResult, nouns: Nouns): string[] {
  const training = tasks.map(({ name, targets }) => ({
    name,
    targets: takeTargets(targets, knownAmong(targets, split.train)),
  }))
  for (const task of training) refuseNothing(task, nouns)
  return [
    ...training.flatMap((task) => fewLabels(task, nouns)),
    ...tasks.flatMap((task) => unmeasured(task, split, nouns)),
    ...dependent(tasks, nouns),
    ...scales(training),
  ]
}

/** The positions of which the task knows something. */
export function knownAmong(targets: NamedTask['targets'], positions: Int32Array): Int32Array {
  return positions.filter((i) => isKnown(targets, i))
}

function refuseNothing({ name, targets }: NamedTask, { one, many }: Nouns): void {
  const remedy = `Leave ${name} out of the tasks, or add ${many} to train on.`
  if (targets.kind === 'number') {
    const different = new Set(targets.values).size
    if (different > 1) return
    const found = different === 0 ? 'no number' : 'one number only'
    throw new GraftError(`The task ${name} has ${found} to train on; expected different ones.`, { remedy })
  }
  const counts = classFrequencies(targets)
  const present = targets.classes.filter((_, c) => counts[c]! > 0)
  const varies = targets.kind === 'multi-label' && counts.some((count) => count > 0 && count < rowsOf(targets))
  if (present.length > 1 || varies) return
  const found = present.length === 0 ? 'no label' : `one class only (${present[0]})`
  throw new GraftError(`The task ${name} has ${found} to train on; expected at least two classes.`, {
    remedy: present.length === 0 ? remedy : `${remedy} Every ${one} that is known has the same answer.`,
  })
}

const rowsOf = (targets: Extract<NamedTask['targets'], { kind: 'multi-label' }>): number =>
  targets.labels.length / Math.max(1, targets.classes.length)

function fewLabels({ name, targets }: NamedTask, { one, many }: Nouns): string[] {
  const warnings: string[] = []
  const count =
    targets.kind === 'number'
      ? targets.values.length
      : targets.kind === 'multi-label'
        ? rowsOf(targets)
        : targets.labels.length
  if (count < FEW)
    warnings.push(`${name}, only ${count} ${count === 1 ? `${one} has` : `${many} have`} a label to train on.`)
  if (targets.kind === 'number') return warnings
  const counts = classFrequencies(targets)
  const empty = targets.classes.filter((_, c) => counts[c] === 0)
  if (empty.length > 0) warnings.push(`${name}, no training ${one} of ${list(empty)}, which will never be the answer.`)
  return warnings
}

function unmeasured({ name, targets }: NamedTask, split: SplitResult, { one }: Nouns): string[] {
  return (['validation', 'test'] as const).flatMap((part) => {
    if (split[part].length === 0 || knownAmong(targets, split[part]).length > 0) return []
    const cost = part === 'test' ? 'it cannot be measured' : 'it has no say in which epoch is kept'
    return [`${name}, no ${part} ${one} has a label of it, so that ${cost}.`]
  })
}

/** A class a sample: its own, the tenth that its number lies in, or its set of labels. -1 where it is not known. */
function codes(targets: NamedTask['targets']): Int32Array {
  switch (targets.kind) {
    case 'number':
      return quantilesOf(targets.values)
    case 'multi-label': {
      const width = targets.classes.length
      const numbers = new Map<string, number>()
      return Int32Array.from({ length: rowsOf(targets) }, (_, i) => {
        if (!isKnown(targets, i)) return -1
        const key = targets.labels.subarray(i * width, (i + 1) * width).join('')
        const number = numbers.get(key) ?? numbers.size
        numbers.set(key, number)
        return number
      })
    }
    default:
      return targets.labels
  }
}

/** Pairs of tasks, one of which says the other, or of which one is known only where the other has one class. */
function dependent(tasks: readonly NamedTask[], { many }: Nouns): string[] {
  const coded = tasks.map(({ name, targets }) => ({ name, targets, codes: codes(targets) }))
  const warnings: string[] = []
  for (const [i, first] of coded.entries())
    for (const second of coded.slice(i + 1)) {
      const common = Int32Array.from(first.codes, (_, k) => k).filter(
        (k) => first.codes[k]! >= 0 && second.codes[k]! >= 0,
      )
      if (common.length < FEWEST_COMMON) continue
      const only = [onlyWhere(first, second, common), onlyWhere(second, first, common)].filter(
        (text) => text !== undefined,
      )
      if (only.length > 0) {
        warnings.push(...only)
        continue
      }
      const forth = explained(first.codes, second.codes, common) >= DETERMINES
      const back = explained(second.codes, first.codes, common) >= DETERMINES
      const names = back && !forth ? [second.name, first.name] : [first.name, second.name]
      if (forth && back)
        warnings.push(
          `${first.name} and ${second.name} determine each other on ${common.length} ${many}: they are one task under two names.`,
        )
      else if (forth || back)
        warnings.push(
          `${names[0]} determines ${names[1]} on ${common.length} ${many}: what is learned of the one is known of the other.`,
        )
    }
  return warnings
}

interface Coded extends NamedTask {
  readonly codes: Int32Array
}

/** Where `task` is known, `other` has one class, which it does not have everywhere: the figures of `task` hold for these alone. */
function onlyWhere(task: Coded, other: Coded, common: Int32Array): string | undefined {
  const { targets } = other
  if (targets.kind !== 'single-label' && targets.kind !== 'ordinal') return undefined
  const code = other.codes[common[0]!]!
  if (common.some((k) => other.codes[k] !== code)) return undefined
  if (other.codes.every((own) => own === code || own === -1)) return undefined
  return `${task.name} is known only where ${other.name} is ${targets.classes[code]}: its answers mean something for these alone.`
}

/**
 * Of the samples that the commonest class of `second` gets wrong, the share that the commonest class given `first` puts right
 * (Goodman and Kruskal's lambda, 1954); 0 where there is nothing to put right.
 */
function explained(first: Int32Array, second: Int32Array, rows: Int32Array): number {
  const all = new Map<number, number>()
  const within = new Map<number, Map<number, number>>()
  for (const k of rows) {
    const [a, b] = [first[k]!, second[k]!]
    all.set(b, (all.get(b) ?? 0) + 1)
    const own = within.get(a) ?? new Map<number, number>()
    within.set(a, own)
    own.set(b, (own.get(b) ?? 0) + 1)
  }
  const wrong = rows.length - Math.max(...all.values())
  // A class for nearly every sample explains anything.
  if (wrong === 0 || within.size > rows.length / 2) return 0
  let right = 0
  for (const own of within.values()) right += Math.max(...own.values())
  return 1 - (rows.length - right) / wrong
}

/** The mean loss of the best constant answer, in nats: what training begins at. Numbers are standardised: half of 1, by Huber about that. */
export function startingLoss(targets: NamedTask['targets']): number {
  if (targets.kind === 'number') return 0.5
  const counts = classFrequencies(targets)
  if (targets.kind === 'multi-label') {
    const rows = rowsOf(targets)
    const entropies = counts.map((count) => term(count / rows) + term(1 - count / rows))
    return entropies.reduce((sum, value) => sum + value, 0) / entropies.length
  }
  const total = counts.reduce((sum, count) => sum + count, 0)
  return counts.reduce((sum, count) => sum + term(count / total), 0)
}

const term = (p: number): number => (p <= 0 ? 0 : -p * Math.log(p))

function scales(tasks: readonly NamedTask[]): string[] {
  const losses = tasks
    .map(({ name, targets }) => ({ name, loss: startingLoss(targets) }))
    .sort((a, b) => a.loss - b.loss)
  const [low, high] = [losses[0], losses.at(-1)]
  if (low === undefined || high === undefined || high.loss < SCALES * low.loss) return []
  return [
    `The loss of ${high.name} begins near ${high.loss.toPrecision(2)}, that of ${low.name} near ${low.loss.toPrecision(2)}: with equal weights ${high.name} decides what is shared. Weights that follow the losses (uncertainty, dwa) even that out.`,
  ]
}
