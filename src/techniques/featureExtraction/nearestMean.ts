/**
 * Nearest class mean (Mensink et al. 2013; the classifier of prototypical networks, Snell et al. 2017): the baseline that
 * needs one photo a class.
 */
import { type Matrix, matrix, row } from '../../base/matrix.js'
import {
  type Classifier,
  checkFit,
  countLabels,
  type FittedClassifier,
  type LinearHead,
  linearLogits,
  weightedTargets,
} from './classifier.js'
import { linearNodes } from './headNodes.js'
import { heldOutRows, heldOutTemperature, outOfFoldOf } from './outOfFold.js'

export interface FittedNearestMean extends FittedClassifier {
  readonly linear: LinearHead
  /** (C, D) */
  readonly means: Matrix
}

/**
 * p(c | x) ~ exp(-|x - mu_c|² / T), mu_c the (weighted) mean of the class. |x|² cancels, which leaves one linear layer:
 * logits_c = (2 mu_c . x - |mu_c|²) / T. T fits the training samples with each left out of its own mean.
 */
export function nearestMean(): Classifier<FittedNearestMean> {
  return {
    name: 'nearest-mean',
    async fit(features, labels, classes, options) {
      checkFit(features, labels, classes, options)
      const { weights } = weightedTargets(labels, classes, { ...options, targets: undefined })
      const totals = new Float64Array(classes)
      labels.forEach((label, i) => {
        totals[label] = totals[label]! + weights[i]!
      })
      const means = classMeans(features, labels, classes, weights, totals)

      const counts = countLabels(labels, classes)
      const rows = heldOutRows(labels.length, (i) => counts[labels[i]!]! > 1 && totals[labels[i]!]! > weights[i]!)
      const logits = leaveOneOut(features, labels, rows, means, weights, totals)
      const temperature = heldOutTemperature(
        logits,
        rows.map((i) => labels[i]!),
        'usual',
      )
      const linear = headOf(means, temperature)
      const outOfFold = outOfFoldOf(logits, rows, labels, temperature)
      return {
        name: 'nearest-mean',
        classes,
        dimensions: features.columns,
        means,
        linear,
        logits: (other) => linearLogits(other, linear),
        nodes: (from, to, prefix) => linearNodes(linear, from, to, prefix),
        outOfFold,
        details: { temperature, ...(outOfFold && { accuracy: outOfFold.accuracy }) },
      }
    },
  }
}

/** Weighted mean of each class, (C, D). A class whose samples all weigh nothing gets their plain mean. */
export function classMeans(
  features: Matrix,
  labels: Int32Array,
  classes: number,
  weights: ArrayLike<number>,
  totals: ArrayLike<number>,
): Matrix {
  const counts = countLabels(labels, classes)
  const sums = new Float64Array(classes * features.columns)
  for (let i = 0; i < features.rows; i++) {
    const label = labels[i]!
    const share = totals[label]! > 0 ? weights[i]! / totals[label]! : 1 / counts[label]!
    const x = row(features, i)
    const at = label * features.columns
    for (let j = 0; j < x.length; j++) sums[at + j] = sums[at + j]! + share * x[j]!
  }
  return matrix(classes, features.columns, Float32Array.from(sums))
}

/** -|x - mu_c|² with the sample taken out of its own class's mean: x - mu' = (x - mu) W / (W - w). */
function leaveOneOut(
  features: Matrix,
  labels: Int32Array,
  rows: Int32Array,
  means: Matrix,
  weights: Float64Array,
  totals: Float64Array,
): Matrix {
  const logits = matrix(rows.length, means.rows)
  rows.forEach((i, r) => {
    const x = row(features, i)
    const label = labels[i]!
    for (let c = 0; c < means.rows; c++) {
      let distance = 0
      for (let j = 0; j < x.length; j++) distance += (x[j]! - means.data[c * x.length + j]!) ** 2
      const factor = c === label ? totals[c]! / (totals[c]! - weights[i]!) : 1
      logits.data[r * means.rows + c] = -distance * factor * factor
    }
  })
  return logits
}

function headOf(means: Matrix, temperature: number): LinearHead {
  const weight = matrix(
    means.rows,
    means.columns,
    means.data.map((v) => (2 * v) / temperature),
  )
  const bias = Float32Array.from(
    { length: means.rows },
    (_, c) => -row(means, c).reduce((sum, v) => sum + v * v, 0) / temperature,
  )
  return { weight, bias }
}
