/** The head of each task on the features of the frozen backbone: where training starts, and what sharing has to beat. */
import { type Matrix, matrix, row, takeRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { type NamedTask, outputsOf, takeTargets } from '../../data/targets.js'
import { knownOf } from '../../data/tasks/labels.js'
import type { Engine } from '../../runtime/engine.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import { fitHead } from '../../techniques/featureExtraction/fitHead.js'

export interface ProbeOptions {
  readonly engine: Engine
  readonly random: Random
  readonly signal: AbortSignal
}

/** How far below the others a class lies that no training sample has: one in several hundred. */
const NEVER = 6

/**
 * A linear head (C_k, D) fitted to convergence on the samples that know the task, numbers in their own unit; undefined where it
 * cannot be fitted.
 *
 * @param features (N, D) of the training samples
 */
export async function fitProbe(
  { name, targets }: NamedTask,
  features: Matrix,
  { engine, random, signal }: ProbeOptions,
): Promise<LinearHead | undefined> {
  const known = knownOf(targets)
  const own = takeTargets(targets, known)
  const rows = takeRows(features, known)
  const options = {
    engine,
    random: random.fork('probe', name),
    signal,
    method: 'linear-probe',
    calibrate: false,
  } as const
  if (own.kind === 'number' || own.kind === 'multi-label') return (await fitHead(own, rows, options)).linear
  // A classifier needs a sample of every class: those that have none are added afterwards.
  const present = [...new Set(own.labels)].sort((a, b) => a - b)
  const at = new Map(present.map((label, i) => [label, i]))
  const some = {
    ...own,
    classes: present.map((label) => own.classes[label]!),
    labels: own.labels.map((label) => at.get(label)!),
  }
  const { linear } = await fitHead(some, rows, options)
  return linear && withClasses(linear, present, outputsOf(own))
}

function withClasses(head: LinearHead, present: readonly number[], classes: number): LinearHead {
  if (present.length === classes) return head
  const weight = matrix(classes, head.weight.columns)
  const bias = new Float32Array(classes).fill(Math.min(...head.bias) - NEVER)
  for (const [i, label] of present.entries()) {
    row(weight, label).set(row(head.weight, i))
    bias[label] = head.bias[i]!
  }
  return { weight, bias }
}
