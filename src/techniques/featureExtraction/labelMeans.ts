/** Nearest mean for several labels a sample: each label by the means of the samples that have it and of those that do not. */
import { type Matrix, matrix, row } from '../../base/matrix.js'
import type { MultiLabelTargets } from '../../data/targets.js'
import type { LinearHead } from './classifier.js'
import { checkFeatures, type FittedHead, type HeadOptions, linearHead } from './head.js'
import { logOdds } from './labelOdds.js'
import { plattScaling } from './plattScaling.js'
import { microF1 } from './scores.js'

export interface FittedLabelMeans extends FittedHead {
  readonly linear: LinearHead
}

/**
 * logit_c = a_c (|x - mu_c0|² - |x - mu_c1|²) + b_c, mu_c1 and mu_c0 the weighted means of the samples with and without the
 * label; |x|² cancels, which leaves one linear layer. a_c and b_c fit the training samples with each left out of its own mean
 * (Platt 1999). A label that all or none have keeps its log-odds.
 */
export function fitLabelMeans(features: Matrix, targets: MultiLabelTargets, fit: HeadOptions): FittedLabelMeans {
  const classes = targets.classes.length
  const { rows: count, columns: d } = features
  checkFeatures(features, targets.labels.length / classes, fit.weights)
  const weights = Float64Array.from({ length: count }, (_, i) => fit.weights?.[i] ?? 1)
  const y = matrix(count, classes, Float32Array.from(targets.labels))
  const odds = logOdds(y, weights)
  const linear: LinearHead = { weight: matrix(classes, d), bias: new Float32Array(classes) }
  const held = matrix(count, classes)
  for (let c = 0; c < classes; c++) {
    const has = Uint8Array.from({ length: count }, (_, i) => targets.labels[i * classes + c]!)
    if (!odds[c]!.learnable) {
      linear.bias[c] = odds[c]!.logit
      for (let i = 0; i < count; i++) held.data[i * classes + c] = odds[c]!.logit
      continue
    }
    const sides = [0, 1].map((side) => meanOf(features, weights, (i) => has[i] === side))
    const scores = Float64Array.from({ length: count }, (_, i) => {
      const own = has[i]!
      const { total } = sides[own]!
      // Without itself: x - mu' = (x - mu) W / (W - w); alone on its side it has no mean to be near.
      const factor = total > weights[i]! ? total / (total - weights[i]!) : 1
      const [without, withIt] = sides.map(
        ({ mean }, side) => distance(row(features, i), mean) * (side === own ? factor ** 2 : 1),
      )
      return without! - withIt!
    })
    const { a, b } = plattScaling(scores, has, weights)
    const [out, into] = sides as [Side, Side]
    let shift = 0
    for (let j = 0; j < d; j++) {
      linear.weight.data[c * d + j] = 2 * a * (into.mean[j]! - out.mean[j]!)
      shift += out.mean[j]! ** 2 - into.mean[j]! ** 2
    }
    linear.bias[c] = a * shift + b
    for (let i = 0; i < count; i++) held.data[i * classes + c] = a * scores[i]! + b
  }
  return {
    name: 'nearest-mean',
    kind: 'multi-label',
    ...linearHead(linear),
    linear,
    outOfFold: {
      rows: Int32Array.from(weights.keys()),
      logits: held,
      score: microF1(held, y.data),
      measure: 'micro F1',
    },
    warnings: [],
    details: { constantLabels: odds.filter((o) => !o.learnable).length },
  }
}

interface Side {
  readonly mean: Float64Array
  readonly total: number
}

function meanOf(features: Matrix, weights: Float64Array, within: (i: number) => boolean): Side {
  const mean = new Float64Array(features.columns)
  let total = 0
  for (let i = 0; i < features.rows; i++) {
    if (!within(i)) continue
    total += weights[i]!
    const x = row(features, i)
    for (let j = 0; j < mean.length; j++) mean[j] = mean[j]! + weights[i]! * x[j]!
  }
  return { mean: mean.map((v) => v / total), total }
}

function distance(x: Float32Array, mean: Float64Array): number {
  let sum = 0
  for (let j = 0; j < x.length; j++) sum += (x[j]! - mean[j]!) ** 2
  return sum
}
