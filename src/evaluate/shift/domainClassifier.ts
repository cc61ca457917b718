/**
 * A classifier that tells two sets of features apart: its held-out error is a measure of the shift, and its odds are the density
 * ratio of the two.
 */
import { type Matrix, matrix, takeRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { fitLogistic, logisticProbabilities } from './logistic.js'
import { principalAxes, project } from './principalAxes.js'
import { columnScale, scaledRows, stackRows } from './rows.js'

export interface DomainClassifierOptions {
  readonly random: Random
  /** Principal components that it sees. @default 32 */
  readonly components?: number
  /** Parts that take turns to be held out. @default 5 */
  readonly folds?: number
}

export interface DomainProbabilities {
  /** Probability that a row is of the second set, from a classifier that did not see it; rows of the first set, then the second. */
  readonly second: Float64Array
  readonly firstRows: number
}

/**
 * Cross-fitted probabilities of belonging to the second set. Each set weighs as much as the other, so that 0.5 is chance whatever
 * their sizes: the odds of the classifier are divided by the ratio of the sizes it was fitted on.
 */
export function domainProbabilities(
  first: Matrix,
  second: Matrix,
  options: DomainClassifierOptions,
): DomainProbabilities {
  const { random, components = 32, folds = 5 } = options
  const joined = stackRows(first, second)
  const axes = principalAxes(joined, { count: components, random: random.fork('domain-axes') })
  const coordinates = project(joined, axes)
  const x = scaledRows(coordinates, columnScale(coordinates))
  const n = x.rows
  const fold = new Int32Array(n)
  random
    .fork('domain-folds', 0)
    .permutation(first.rows)
    .forEach((i, at) => {
      fold[i] = at % folds
    })
  random
    .fork('domain-folds', 1)
    .permutation(second.rows)
    .forEach((i, at) => {
      fold[first.rows + i] = at % folds
    })
  const out = new Float64Array(n).fill(0.5)
  for (let k = 0; k < folds; k++) {
    const inside: number[] = []
    const outside: number[] = []
    for (let i = 0; i < n; i++) (fold[i] === k ? outside : inside).push(i)
    const positives = inside.filter((i) => i >= first.rows).length
    if (outside.length === 0 || positives === 0 || positives === inside.length) continue
    const fitted = fitLogistic(
      takeRows(x, inside),
      inside.map((i) => (i >= first.rows ? 1 : 0)),
    )
    const prior = Math.log(positives / (inside.length - positives))
    logisticProbabilities(takeRows(x, outside), { ...fitted, bias: fitted.bias - prior }).forEach((p, at) => {
      out[outside[at]!] = p
    })
  }
  return { second: out, firstRows: first.rows }
}

/** Error of "second set where p > 0.5" with each set weighing half; ties count half. */
export function domainError({ second, firstRows }: DomainProbabilities): number {
  const wrong = [0, 0]
  second.forEach((p, i) => {
    const set = i < firstRows ? 0 : 1
    wrong[set] = wrong[set]! + (p === 0.5 ? 0.5 : (set === 0) === p > 0.5 ? 1 : 0)
  })
  return (wrong[0]! / firstRows + wrong[1]! / (second.length - firstRows)) / 2
}

/**
 * Density ratio target / source at some source rows: the odds of a classifier fitted on other source rows against the target
 * (Bickel, Brückner, Scheffer 2007, Discriminative Learning for Differing Training and Test Distributions).
 *
 * @param fitted source rows that the classifier may see; must not be the judged ones
 */
export function densityRatio(fitted: Matrix, target: Matrix, judged: Matrix, random: Random): Float64Array {
  const joined = stackRows(fitted, target)
  const axes = principalAxes(joined, { count: 32, rows: 600, random })
  const coordinates = project(joined, axes)
  const scale = columnScale(coordinates)
  const group = Float64Array.from({ length: joined.rows }, (_, i) => (i >= fitted.rows ? 1 : 0))
  const model = fitLogistic(scaledRows(coordinates, scale), group)
  const at = judged.rows === 0 ? matrix(0, coordinates.columns) : scaledRows(project(judged, axes), scale)
  return logisticProbabilities(at, model).map(
    (p) => (Math.min(p, 1 - 1e-9) / Math.max(1 - p, 1e-9)) * (fitted.rows / target.rows),
  )
}
