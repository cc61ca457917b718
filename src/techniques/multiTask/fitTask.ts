/** The linear head of one of several tasks on frozen features: fitted on the samples that know it. */
import { type Matrix, matrix, row, takeRows } from '../../base/matrix.js'
import { countOf, isKnown, type NamedTask, takeTargets } from '../../data/targets.js'
import type { LinearHead } from '../featureExtraction/classifier.js'
import { fitHead } from '../featureExtraction/fitHead.js'
import type { HeadOptions, HeldOutLogits } from '../featureExtraction/head.js'

export interface FittedTask {
  readonly linear: LinearHead | undefined
  readonly outOfFold: HeldOutLogits | undefined
}

/** How far below the others a class lies that no training sample has: one in several hundred. */
const NEVER = 6

/**
 * A linear head on the samples that know the task, with all of its classes; rows of what was held out are rows of `features`.
 *
 * @param penalties candidates. @default those of the linear probe
 */
export async function fitTask(
  { name, targets }: NamedTask,
  features: Matrix,
  { engine, random, signal }: Pick<HeadOptions, 'engine' | 'random' | 'signal'>,
  penalties?: readonly number[],
): Promise<FittedTask> {
  const known = Int32Array.from({ length: countOf(targets) }, (_, i) => i).filter((i) => isKnown(targets, i))
  const x = takeRows(features, known)
  const options = { engine, random: random.fork('head', name), signal, penalties, method: 'linear-probe' } as const
  const inAll = (found: HeldOutLogits | undefined) => found && { ...found, rows: found.rows.map((r) => known[r]!) }
  if (targets.kind === 'number' || targets.kind === 'multi-label') {
    const { linear, outOfFold } = await fitHead(takeTargets(targets, known), x, options)
    return { linear, outOfFold: inAll(outOfFold) }
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
  const { linear, outOfFold } = await fitHead(some, x, options)
  const wide = linear && withClasses(linear, present, own.classes.length)
  return {
    linear: wide,
    outOfFold: inAll(wide && outOfFold && { ...outOfFold, logits: spread(outOfFold.logits, present, wide.bias) }),
  }
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
