/**
 * Linear heads of several tasks on frozen features that learn from each other: what one task looks at is made cheap for the
 * others, and what other tasks tell of a missing label is used, each where held-out samples say that it helps.
 */
import { logSumExp, type Matrix, matrix, row } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { countOf, isKnown, type NamedTask, type TaskTargets, takeTargets } from '../../data/targets.js'
import type { Engine } from '../../runtime/engine.js'
import { type LinearHead, linearLogits } from '../featureExtraction/classifier.js'
import { objectiveFor } from '../fineTuning/objectives/index.js'
import { type FittedTask, fitTask } from './fitTask.js'
import { countsOf, type Implication, type ImpliedClasses, impliedLabels } from './impliedLabels.js'

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
  /** What other tasks tell of missing labels, where it was used. */
  readonly implied: readonly Implication[]
  /** Whether that did not choose samples by their class: then a training may learn it too. */
  readonly even: boolean
  /** Mean loss on held-out samples that know the task: of `linear` and of `single`. */
  readonly heldOutLoss: number | undefined
  readonly singleLoss: number | undefined
}

/** How often the other tasks' logits stand beside the features: so many times weaker is the penalty on them. */
const REPEATS = [4, 16] as const
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
 * Samples without a label of the task, of which other tasks rule out some classes ({@link impliedLabels}), add the loss
 * - log sum of softmax(z)_c over the classes c that are left. Where that chose samples by their class, the logits are then moved
 * by the logarithm of how much the share of each class changed, as for a shift of labels.
 */
export async function stackHeads(options: StackHeadsOptions): Promise<StackedHead[]> {
  const { targets, features, onProgress } = options
  const implied = impliedLabels(targets)
  const total = targets.tasks.length * (2 + REPEATS.length)
  let done = 0
  const fit = async (task: NamedTask, x: Matrix, told?: ImpliedClasses) => {
    const fitted = await fitTask(task, x, options, told)
    onProgress?.(Math.min(1, ++done / total))
    return told === undefined ? fitted : withoutShift(fitted, task, told)
  }
  const singles: FittedTask[] = []
  for (const task of targets.tasks) singles.push(await fit(task, features))
  const lossesOn = (k: number) => (candidate: Candidate) =>
    heldOutLosses(targets.tasks[k]!, candidate.fitted, features, implied.classes[k])
  const bases: Candidate[] = []
  for (const [k, task] of targets.tasks.entries()) {
    const single: Candidate = { fitted: singles[k]!, repeats: 0 }
    const told = implied.classes[k]
    if (told === undefined) bases.push(single)
    else bases.push(better(lossesOn(k), single, { fitted: await fit(task, features, told), told, repeats: 0 }, 0))
  }
  const stacked: StackedHead[] = []
  for (const [k, task] of targets.tasks.entries()) {
    const base = bases[k]!
    const others = bases.flatMap(({ fitted }, j) =>
      j !== k && lends(targets.tasks[j]!, fitted, task, base.told) ? [fitted] : [],
    )
    let chosen = base
    for (const repeats of base.fitted.linear === undefined || others.length === 0 ? [] : REPEATS) {
      const way = directions(features, others, repeats)
      const wide = await fit(task, way.features, base.told)
      const fitted = { ...wide, linear: wide.linear && way.fold(wide.linear) }
      chosen = better(lossesOn(k), chosen, { ...base, fitted, repeats }, MARGIN)
    }
    stacked.push({
      name: task.name,
      linear: chosen.fitted.linear,
      single: singles[k]!.linear,
      borrowed: chosen.repeats,
      even: chosen.told?.even ?? false,
      implied: chosen.told ? implied.implications.filter((one) => one.task === task.name) : [],
      heldOutLoss: meanLoss(task, chosen.fitted, features),
      singleLoss: meanLoss(task, singles[k]!, features),
    })
  }
  onProgress?.(1)
  return stacked
}

interface Candidate {
  readonly fitted: FittedTask
  /** What other tasks tell, where it was used. */
  readonly told?: ImpliedClasses
  readonly repeats: number
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
function lends(
  { targets }: NamedTask,
  { linear, outOfFold }: FittedTask,
  to: NamedTask,
  told: ImpliedClasses | undefined,
): boolean {
  if (linear === undefined) return false
  const held = new Set(outOfFold?.rows)
  const further = new Set(told?.rows)
  let [all, seen, out] = [0, 0, 0]
  for (let i = 0; i < countOf(targets); i++) {
    if (!isKnown(to.targets, i) && !further.has(i)) continue
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

/**
 * Logits as they would be with the classes' own shares. Among n labelled samples and m of which other tasks tell, a class with the
 * share p has n p + m p s / sum of p s, s being how much is told of its samples: so many times n p is taken back.
 */
function withoutShift(fitted: FittedTask, { targets }: NamedTask, { rows, shares }: ImpliedClasses): FittedTask {
  if (!('labels' in targets) || targets.kind === 'multi-label') return fitted
  const counts = countsOf(targets.labels, targets.classes.length)
  const expected = counts.reduce((sum, n, c) => sum + n * shares[c]!, 0)
  const grown = shares.map((share) => 1 + (rows.length * share) / expected)
  // Only ratios matter: of two classes of which as much is told nothing is moved.
  const most = Math.max(...grown)
  const shift = grown.map((growth) => Math.log(most / growth))
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
function better(
  lossesOf: (candidate: Candidate) => Map<number, number>,
  first: Candidate,
  second: Candidate,
  margin: number,
): Candidate {
  const a = lossesOf(first)
  const b = lossesOf(second)
  const gaps = [...a].flatMap(([at, loss]) => (b.has(at) ? [loss - b.get(at)!] : []))
  if (gaps.length < 2) return first
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  const error = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / (gaps.length - 1) / gaps.length)
  return mean > margin * error && mean > 0 ? second : first
}

/**
 * The loss of each held-out sample that knows the task by itself, by its row; and of samples of which other tasks tell, where they
 * were not chosen by their class, minus the logarithm of the probability that the head gives to all classes that are left.
 */
function heldOutLosses(
  { targets }: NamedTask,
  fitted: FittedTask,
  features: Matrix,
  told: ImpliedClasses | undefined,
): Map<number, number> {
  const { linear, outOfFold } = fitted
  if (linear === undefined || outOfFold === undefined) return new Map()
  const objective = objectiveFor(targets, PLAIN)
  const { scale } = objective
  const said = honestLogits(features, fitted)!
  const losses = new Map<number, number>()
  for (const at of outOfFold.rows) {
    if (!isKnown(targets, at)) continue
    const z = row(said, at)
    const own = matrix(1, said.columns, scale ? z.map((value) => (value - scale.mean) / scale.deviation) : z.slice())
    losses.set(at, objective.score(own, takeTargets(targets, [at])).loss)
  }
  if (told?.even)
    told.rows.forEach((at, i) => {
      const z = row(said, at)
      const possible = row(told.possible, i)
      losses.set(at, logSumExp(z) - logSumExp(z.filter((_, c) => possible[c] === 1)))
    })
  return losses
}

/** Over the samples that know the task. */
function meanLoss(task: NamedTask, fitted: FittedTask, features: Matrix): number | undefined {
  const losses = [...heldOutLosses(task, fitted, features, undefined).values()]
  return losses.length === 0 ? undefined : losses.reduce((a, b) => a + b, 0) / losses.length
}
