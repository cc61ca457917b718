/** The linear head of one of several tasks on frozen features: fitted on the samples that know it. */
import { type Matrix, matrix, row, takeRows } from '../../base/matrix.js'
import { countOf, isKnown, type NamedTask, takeTargets } from '../../data/targets.js'
import type { LinearHead } from '../featureExtraction/classifier.js'
import { fitHead } from '../featureExtraction/fitHead.js'
import type { HeadOptions, HeldOutLogits } from '../featureExtraction/head.js'
import type { ImpliedClasses } from './impliedLabels.js'

export interface FittedTask {
  readonly linear: LinearHead | undefined
  /** Rows of all features, of samples that know the task or of which other tasks tell. */
  readonly outOfFold: HeldOutLogits | undefined
}

/** Half decades: with many samples that say little, and few that say all, the best one lies in a narrow range. */
const PENALTIES = [1e4, 3e3, 1e3, 300, 100, 30, 10, 3, 1, 0.3, 0.1, 0.01, 1e-3]
/** How far below the others a class lies that no training sample has: one in several hundred. */
const NEVER = 6

/**
 * A linear head on the samples that know the task, with all of its classes; rows of what was held out are rows of `features`.
 *
 * @param implied what other tasks tell of samples that have no label of this one
 */
export async function fitTask(
  { name, targets }: NamedTask,
  features: Matrix,
  { engine, random, signal }: Pick<HeadOptions, 'engine' | 'random' | 'signal'>,
  implied?: ImpliedClasses,
): Promise<FittedTask> {
  const known = Int32Array.from({ length: countOf(targets) }, (_, i) => i).filter((i) => isKnown(targets, i))
  const x = takeRows(features, known)
  const options = { engine, random: random.fork('head', name), signal, method: 'linear-probe' } as const
  if (targets.kind === 'number' || targets.kind === 'multi-label') {
    const { linear, outOfFold: held } = await fitHead(takeTargets(targets, known), x, options)
    return { linear, outOfFold: held && { ...held, rows: held.rows.map((r) => known[r]!) } }
  }
  // A classifier needs a sample of every class: those that have none are added afterwards.
  const own = takeTargets(targets, known)
  const present = [...new Set(own.labels)].sort((a, b) => a - b)
  if (present.length < 2) return { linear: undefined, outOfFold: undefined }
  const some = {
    ...own,
    classes: present.map((label) => own.classes[label]!),
    labels: own.labels.map((label) => present.indexOf(label)),
  }
  const told = implied && amongPresent(implied, present)
  const further = told && {
    partlyKnown: { features: takeRows(features, told.rows), possible: told.possible, judges: told.even },
    penalties: PENALTIES,
  }
  const { linear, outOfFold: held } = await fitHead(some, x, { ...options, ...further })
  const wide = linear && withClasses(linear, present, own.classes.length)
  const rows = [...known, ...(told?.rows ?? [])]
  const outOfFold = wide &&
    held && { ...held, rows: held.rows.map((r) => rows[r]!), logits: spread(held.logits, present, wide.bias) }
  return { linear: wide, outOfFold }
}

/** What is told of the classes that some sample has. */
function amongPresent(implied: ImpliedClasses, present: readonly number[]): ImpliedClasses | undefined {
  const { rows, possible } = implied
  const kept = [...rows.keys()].filter((i) => present.some((c) => row(possible, i)[c] === 1))
  if (kept.length === 0) return undefined
  const own = matrix(kept.length, present.length)
  kept.forEach((i, at) => {
    row(own, at).set(present.map((c) => row(possible, i)[c]!))
  })
  return { ...implied, rows: Int32Array.from(kept, (i) => rows[i]!), possible: own }
}

function withClasses({ weight, bias }: LinearHead, present: readonly number[], classes: number): LinearHead {
  if (present.length === classes) return { weight, bias }
  const wide = { weight: matrix(classes, weight.columns), bias: new Float32Array(classes) }
  wide.bias.fill(bias.reduce((a, b) => Math.min(a, b)) - NEVER)
  for (const [i, label] of present.entries()) {
    row(wide.weight, label).set(row(weight, i))
    wide.bias[label] = bias[i]!
  }
  return wide
}

/**
 * Logits with the classes that no sample has: what the head itself says of these, the same of every sample. Any other number would
 * tell the samples that were held out from those that the head says the logits of.
 */
function spread(logits: Matrix, present: readonly number[], bias: Float32Array): Matrix {
  const classes = bias.length
  if (present.length === classes) return logits
  const wide = matrix(logits.rows, classes)
  for (let i = 0; i < logits.rows; i++) {
    row(wide, i).set(bias)
    present.forEach((label, c) => {
      wide.data[i * classes + label] = logits.data[i * present.length + c]!
    })
  }
  return wide
}
