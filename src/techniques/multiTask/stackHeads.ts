/**
 * Linear heads of several tasks on frozen features that learn from each other: what one task looks at is made cheap for the
 * others, and labels that another task decides are filled in, each where held-out samples say that it helps.
 */
import { type Matrix, matrix, row } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { countOf, isKnown, type NamedTask, type TaskTargets, takeTargets } from '../../data/targets.js'
import type { Engine } from '../../runtime/engine.js'
import { type LinearHead, linearLogits } from '../featureExtraction/classifier.js'
import { objectiveFor } from '../fineTuning/objectives/index.js'
import { type FittedTask, fitTask } from './fitTask.js'
import { type Implication, impliedLabels } from './impliedLabels.js'

export interface StackHeadsOptions {
  readonly engine: Engine
  /** (N, D) of the training samples. */
  readonly features: Matrix
  readonly targets: TaskTargets
  readonly random: Random
  readonly signal?: AbortSignal | undefined
  /** Share of the work done so far, 0 ... 1. */
  readonly onProgress?: ((done: number) => void) | undefined
}

export interface StackedHead {
  readonly name: string
  /** (C, D) on the features; a number in its own unit. Undefined where the task has no linear head. */
  readonly linear: LinearHead | undefined
  /** The same, fitted on the task's own labels alone. */
  readonly single: LinearHead | undefined
  /** How much cheaper the directions of the other tasks are than a feature; 0 where they are not used. */
  readonly borrowed: number
  /** Labels that other tasks decided, where they were used. */
  readonly implied: readonly Implication[]
  /** Mean loss on held-out samples that know the task: of `linear` and of `single`. */
  readonly heldOutLoss: number | undefined
  readonly singleLoss: number | undefined
}

/** How often the other tasks' logits stand beside the features: so many times weaker is the penalty on them. */
const REPEATS = [4, 16] as const
/** Tried where labels were filled in. */
const PENALTIES = [1000, 300, 100, 30, 10] as const
/** A head that borrows is taken where it is better by more than this many standard errors of the paired difference. */
const MARGIN = 2
/** Share of samples of the other kind that does no harm. */
const MIXED = 0.02
const PLAIN = { labelSmoothing: 0, classWeights: false, balancedSampling: false }

/**
 * For each task, min over W, V of the loss of W x + V A x + b plus lambda / 2 (|W|^2 + |V|^2 / r), A x being the other tasks' own
 * logits, standardised: with r large, directions that other tasks use cost little (targets as further inputs, Spyromitros-Xioufis
 * et al. 2016, arXiv:1211.6581; with linear heads it is a metric learnt from the other tasks, as in Argyriou, Evgeniou and Pontil
 * 2008, "Convex multi-task feature learning"). r is chosen by cross-validation, 0 (the task by itself) unless another is better
 * beyond chance. The result is one linear head a task.
 *
 * Labels that follow from another task's ({@link impliedLabels}) are filled in for the fit; the logits are then moved by the
 * logarithm of how much the share of each class changed (as for a shift of labels), and judged on samples that were not filled in.
 */
export async function stackHeads(options: StackHeadsOptions): Promise<StackedHead[]> {
  const { targets, features, onProgress } = options
  const implied = impliedLabels(targets)
  const total = targets.tasks.length * (2 + REPEATS.length)
  let done = 0
  const fit = async (task: NamedTask, x: Matrix, penalties?: readonly number[]) => {
    const fitted = await fitTask(task, x, options, penalties)
    onProgress?.(Math.min(1, ++done / total))
    return fitted
  }
  const singles: FittedTask[] = []
  for (const task of targets.tasks) singles.push(await fit(task, features))
  const bases: Candidate[] = []
  for (const [k, task] of targets.tasks.entries()) {
    const single: Candidate = { fitted: singles[k]!, filled: [], repeats: 0 }
    const own = implied.implications.filter((implication) => implication.task === task.name)
    if (own.length === 0) {
      bases.push(single)
      onProgress?.(++done / total)
      continue
    }
    const filled = implied.targets.tasks[k]!
    let base = single
    // The penalty is judged by the samples that were not filled in too: those are of one class, and easy.
    for (const penalty of PENALTIES) {
      const fitted = withoutShift(await fit(filled, features, [penalty]), task, filled)
      base = better(task, base, { fitted, filled: own, repeats: 0, penalty }, 0)
    }
    bases.push(base)
  }
  const stacked: StackedHead[] = []
  for (const [k, task] of targets.tasks.entries()) {
    const base = bases[k]!
    const trained = base.filled.length > 0 ? implied.targets.tasks[k]! : task
    const others = bases.flatMap(({ fitted }, j) =>
      j !== k && lends(targets.tasks[j]!, fitted, trained) ? [fitted] : [],
    )
    let chosen = base
    for (const repeats of base.fitted.linear === undefined || others.length === 0 ? [] : REPEATS) {
      const way = directions(features, others, repeats)
      const wide = await fit(trained, way.features, base.penalty === undefined ? undefined : [base.penalty])
      const folded = { ...wide, linear: wide.linear && way.fold(wide.linear) }
      const fitted = base.filled.length > 0 ? withoutShift(folded, task, trained) : folded
      chosen = better(task, chosen, { ...base, fitted, repeats }, MARGIN)
    }
    stacked.push({
      name: task.name,
      linear: chosen.fitted.linear,
      single: singles[k]!.linear,
      borrowed: chosen.repeats,
      implied: chosen.filled,
      heldOutLoss: meanLoss(task, chosen.fitted),
      singleLoss: meanLoss(task, singles[k]!),
    })
  }
  onProgress?.(1)
  return stacked
}

interface Candidate {
  readonly fitted: FittedTask
  readonly filled: readonly Implication[]
  readonly repeats: number
  /** Where it was not the fit that chose it. */
  readonly penalty?: number
}

/** The features with the other tasks' standardised logits beside them, and the way back to a head on the features. */
function directions(features: Matrix, fitted: readonly FittedTask[], repeats: number) {
  const others = fitted.flatMap(({ linear }) => linear ?? [])
  const logits = fitted.flatMap((own) => honestLogits(features, own) ?? [])
  const columns = logits.flatMap((m, j) =>
    Array.from({ length: m.columns }, (_, c) => {
      const values = Float64Array.from({ length: m.rows }, (_own, i) => m.data[i * m.columns + c]!)
      const mean = values.reduce((a, b) => a + b, 0) / values.length
      const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length)
      const head = others[j]!
      return {
        values,
        mean,
        scale: deviation > 0 ? 1 / deviation : 0,
        weight: row(head.weight, c),
        bias: head.bias[c]!,
      }
    }),
  )
  const d = features.columns
  const width = d + columns.length * repeats
  const wide = matrix(features.rows, width)
  for (let i = 0; i < features.rows; i++) {
    wide.data.set(row(features, i), i * width)
    for (let r = 0; r < repeats; r++)
      columns.forEach(({ values, mean, scale }, c) => {
        wide.data[i * width + d + r * columns.length + c] = (values[i]! - mean) * scale
      })
  }
  const fold = ({ weight, bias }: LinearHead): LinearHead => {
    const folded = { weight: matrix(weight.rows, d), bias: bias.slice() }
    for (let k = 0; k < weight.rows; k++) {
      const from = row(weight, k)
      const to = row(folded.weight, k)
      to.set(from.subarray(0, d))
      columns.forEach((column, c) => {
        let factor = 0
        for (let r = 0; r < repeats; r++) factor += from[d + r * columns.length + c]!
        factor *= column.scale
        for (let j = 0; j < d; j++) to[j] = to[j]! + factor * column.weight[j]!
        folded.bias[k] = folded.bias[k]! + factor * (column.bias - column.mean)
      })
    }
    return folded
  }
  return { features: wide, fold }
}

/**
 * Whether a task's logits can stand beside the features of another: they have to be honest in the same way on all of its samples,
 * from folds that left the sample out, or from a head that never saw it. A mixture would tell the two kinds apart, and with them
 * what the missing of a label goes with.
 */
function lends({ targets }: NamedTask, { linear, outOfFold }: FittedTask, to: NamedTask): boolean {
  if (linear === undefined) return false
  const held = new Set(outOfFold?.rows)
  let [all, seen, out] = [0, 0, 0]
  for (let i = 0; i < countOf(targets); i++) {
    if (!isKnown(to.targets, i)) continue
    all++
    if (isKnown(targets, i)) seen++
    if (held.has(i)) out++
  }
  return seen <= all * MIXED || (seen >= all * (1 - MIXED) && out >= all * (1 - MIXED))
}

/** What the head says of each sample without having seen its label: where it was fitted on it, what a fold without it says. */
function honestLogits(features: Matrix, { linear, outOfFold }: FittedTask): Matrix | undefined {
  if (linear === undefined) return undefined
  const logits = linearLogits(features, linear)
  outOfFold?.rows.forEach((at, i) => {
    row(logits, at).set(row(outOfFold.logits, i))
  })
  return logits
}

/** Logits of a head whose classes were filled up, as they would be with the classes' own shares. */
function withoutShift(fitted: FittedTask, { targets }: NamedTask, { targets: filled }: NamedTask): FittedTask {
  if (!('labels' in targets) || !('labels' in filled) || targets.kind === 'multi-label') return fitted
  const count = (labels: ArrayLike<number>) => {
    const counts = new Float64Array(targets.classes.length)
    for (let i = 0; i < labels.length; i++) if (labels[i]! >= 0) counts[labels[i]!]!++
    return counts
  }
  const before = count(targets.labels)
  const after = count(filled.labels as Int32Array)
  const shift = before.map((n, c) => (n > 0 && after[c]! > 0 ? Math.log(n / after[c]!) : 0))
  const { linear, outOfFold } = fitted
  return {
    linear: linear && { ...linear, bias: linear.bias.map((b, c) => b + shift[c]!) },
    outOfFold: outOfFold && {
      ...outOfFold,
      logits: { ...outOfFold.logits, data: outOfFold.logits.data.map((z, at) => z + shift[at % shift.length]!) },
    },
  }
}

/** The second where its loss on held-out samples is lower by more than `margin` standard errors of the difference. */
function better(task: NamedTask, first: Candidate, second: Candidate, margin: number): Candidate {
  const a = heldOutLosses(task, first.fitted)
  const b = heldOutLosses(task, second.fitted)
  const gaps = [...a].flatMap(([at, loss]) => (b.has(at) ? [loss - b.get(at)!] : []))
  if (gaps.length < 2) return first
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  const error = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / (gaps.length - 1) / gaps.length)
  return mean > margin * error && mean > 0 ? second : first
}

/** The loss of each held-out sample that knows the task by itself, by its row. */
function heldOutLosses({ targets }: NamedTask, { outOfFold }: FittedTask): Map<number, number> {
  if (outOfFold === undefined) return new Map()
  const objective = objectiveFor(targets, PLAIN)
  const { scale } = objective
  const { logits, rows } = outOfFold
  const data = scale ? logits.data.map((z) => (z - scale.mean) / scale.deviation) : logits.data
  return new Map(
    Array.from(rows, (at, i) => [at, i] as const)
      .filter(([at]) => isKnown(targets, at))
      .map(([at, i]) => {
        const own = matrix(1, logits.columns, data.slice(i * logits.columns, (i + 1) * logits.columns))
        return [at, objective.score(own, takeTargets(targets, [at])).loss] as const
      }),
  )
}

function meanLoss(task: NamedTask, fitted: FittedTask): number | undefined {
  const losses = [...heldOutLosses(task, fitted).values()]
  return losses.length === 0 ? undefined : losses.reduce((a, b) => a + b, 0) / losses.length
}
