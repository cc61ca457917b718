import { argmaxRows, type Matrix, row } from '../../base/matrix.js'
import { columnScale, scaledRows } from '../shift/rows.js'
import { labelMeans } from '../shift/withinClasses.js'
import { judgedFeatures, type Validator } from './validator.js'

/**
 * Circular (reverse) validation: classes learnt from the target's predicted labels are tried on the source's true ones. The way back is
 * by nearest class mean on features of which each domain has its own mean and deviation taken out. Labels that are wrong on the
 * target lead back wrong. The score is the accuracy on held-out source samples, averaged over the classes that occur there.
 */
export const circular: Validator = {
  name: 'circular',
  title: 'circular validation: from predicted target labels back to the source',
  paper:
    'Zhong, Fan, Yang, Verscheure, Ren 2010, Cross Validation Framework to Choose Amongst Models and Datasets for Transfer Learning, ECML PKDD',
  score: (candidate, _, context) => {
    const { source, target } = judgedFeatures(candidate, context)
    if (source.rows < 2 || target.rows < 2) return undefined
    const classes = candidate.target.logits.columns
    const predictions = argmaxRows(candidate.target.logits)
    const means = labelMeans(scaledRows(target, columnScale(target)), predictions, classes)
    const back = nearestMean(scaledRows(source, columnScale(source)), means)
    return classAccuracy(candidate.source.labels, back, classes)
  },
}

/** The nearest mean of each row; means that are not numbers are passed over. */
export function nearestMean(features: Matrix, means: Matrix): Int32Array {
  return Int32Array.from({ length: features.rows }, (_, i) => {
    const x = row(features, i)
    let best = 0
    let least = Number.POSITIVE_INFINITY
    for (let k = 0; k < means.rows; k++) {
      const mean = row(means, k)
      let sum = 0
      for (let j = 0; j < x.length; j++) sum += (x[j]! - mean[j]!) ** 2
      if (sum < least) {
        least = sum
        best = k
      }
    }
    return best
  })
}

/** Recall averaged over the classes that occur among the labels. */
export function classAccuracy(labels: ArrayLike<number>, predictions: ArrayLike<number>, classes: number): number {
  const counts = new Int32Array(classes)
  const right = new Int32Array(classes)
  for (let i = 0; i < labels.length; i++) {
    counts[labels[i]!] = counts[labels[i]!]! + 1
    if (labels[i] === predictions[i]) right[labels[i]!] = right[labels[i]!]! + 1
  }
  let sum = 0
  let present = 0
  for (let k = 0; k < classes; k++) {
    if (counts[k] === 0) continue
    sum += right[k]! / counts[k]!
    present++
  }
  return sum / present
}
