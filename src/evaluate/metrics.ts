/**
 * Scores of a classifier from labels and predictions. Labels and predictions are class indices 0 ... C - 1, one a sample;
 * probabilities are (N, C) with rows that sum to 1. Definitions are scikit-learn's, so that figures can be compared.
 */
import { type Matrix, row } from '../base/matrix.js'

/** Counts of true class against predicted class, (C, C) row-major: entry `truth * C + predicted`. */
export interface Confusion {
  readonly classes: number
  readonly counts: Int32Array
}

/** Figures of one class; a ratio without a denominator is 0. */
export interface ClassScore {
  /** Right predictions of the class / predictions of the class. */
  readonly precision: number
  /** Right predictions of the class / samples of the class. */
  readonly recall: number
  /** 2 precision recall / (precision + recall). */
  readonly f1: number
  /** Samples of the class. */
  readonly support: number
  /** Predictions of the class. */
  readonly predicted: number
}

/** @throws RangeError where the lengths differ or an index is not a class. */
export function confusionMatrix(labels: ArrayLike<number>, predictions: ArrayLike<number>, classes: number): Confusion {
  if (labels.length !== predictions.length)
    throw new RangeError(`${labels.length} labels but ${predictions.length} predictions`)
  const counts = new Int32Array(classes * classes)
  for (let i = 0; i < labels.length; i++) {
    const at = checkClass(labels[i]!, classes, i) * classes + checkClass(predictions[i]!, classes, i)
    counts[at] = counts[at]! + 1
  }
  return { classes, counts }
}

/** Share of right predictions; NaN where there are none at all. */
export function accuracy(labels: ArrayLike<number>, predictions: ArrayLike<number>): number {
  if (labels.length !== predictions.length)
    throw new RangeError(`${labels.length} labels but ${predictions.length} predictions`)
  let right = 0
  for (let i = 0; i < labels.length; i++) if (labels[i] === predictions[i]) right++
  return right / labels.length
}

/** Precision, recall, F1 and support of every class. */
export function classScores({ classes, counts }: Confusion): ClassScore[] {
  return Array.from({ length: classes }, (_, k) => {
    const right = counts[k * classes + k]!
    let support = 0
    let predicted = 0
    for (let j = 0; j < classes; j++) {
      support += counts[k * classes + j]!
      predicted += counts[j * classes + k]!
    }
    return {
      precision: predicted === 0 ? 0 : right / predicted,
      recall: support === 0 ? 0 : right / support,
      f1: support + predicted === 0 ? 0 : (2 * right) / (support + predicted),
      support,
      predicted,
    }
  })
}

/** Mean F1 over the classes that occur among the labels or the predictions; NaN where none does. */
export function macroF1(confusion: Confusion): number {
  const scores = classScores(confusion).filter((score) => score.support + score.predicted > 0)
  return scores.reduce((sum, score) => sum + score.f1, 0) / scores.length
}

/** Mean of -log p(label), in nats. Probabilities are kept above 1e-15, so that one zero does not make it infinite. */
export function logLoss(labels: ArrayLike<number>, probabilities: Matrix): number {
  checkRows(labels, probabilities)
  let sum = 0
  for (let i = 0; i < labels.length; i++) {
    const p = row(probabilities, i)[checkClass(labels[i]!, probabilities.columns, i)]!
    sum -= Math.log(Math.max(p, 1e-15))
  }
  return sum / labels.length
}

/** Share of samples whose label is among the k most probable classes; of equal probabilities the lower index comes first. */
export function topKAccuracy(labels: ArrayLike<number>, probabilities: Matrix, k: number): number {
  checkRows(labels, probabilities)
  let right = 0
  for (let i = 0; i < labels.length; i++) {
    const values = row(probabilities, i)
    const label = checkClass(labels[i]!, probabilities.columns, i)
    const own = values[label]!
    let ahead = 0
    for (let j = 0; j < values.length; j++) if (values[j]! > own || (values[j] === own && j < label)) ahead++
    if (ahead < k) right++
  }
  return right / labels.length
}

/** The accuracy of always answering the commonest class of `trainingLabels`, measured on `labels`. */
export function majorityAccuracy(
  trainingLabels: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
): number {
  const counts = new Int32Array(classes)
  for (let i = 0; i < trainingLabels.length; i++) {
    const k = checkClass(trainingLabels[i]!, classes, i)
    counts[k] = counts[k]! + 1
  }
  const commonest = counts.indexOf(Math.max(...counts))
  let right = 0
  for (let i = 0; i < labels.length; i++) if (labels[i] === commonest) right++
  return right / labels.length
}

function checkClass(k: number, classes: number, sample: number): number {
  if (!Number.isInteger(k) || k < 0 || k >= classes) {
    throw new RangeError(`sample ${sample} has class index ${k}; expected an integer from 0 to ${classes - 1}`)
  }
  return k
}

function checkRows(labels: ArrayLike<number>, probabilities: Matrix): void {
  if (labels.length !== probabilities.rows)
    throw new RangeError(`${labels.length} labels but ${probabilities.rows} rows of probabilities`)
}
