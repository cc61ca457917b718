/**
 * All figures of one classifier on one split, as one JSON-like object: what `graft evaluate --json` prints, what the model
 * folder keeps and what the report shows.
 */
import { argmaxRows, type Matrix } from '../base/matrix.js'
import type { Random } from '../base/random.js'
import { reliability } from './calibration.js'
import { type Interval, macroF1Interval, wilsonInterval } from './intervals.js'
import { accuracy, classScores, confusionMatrix, logLoss, macroF1, topKAccuracy } from './metrics.js'

export interface ClassFigures {
  readonly name: string
  readonly precision: number
  readonly recall: number
  readonly f1: number
  readonly support: number
  /** Wilson interval of the recall. */
  readonly recallInterval: Interval
}

export interface Evaluation {
  /** Number of samples. */
  readonly n: number
  readonly accuracy: number
  /** Wilson, 95 %. */
  readonly accuracyInterval: Interval
  /** Share with the label among the five most probable classes; only where there are more than five classes. */
  readonly top5?: number
  readonly macroF1: number
  /** Percentile bootstrap, 95 %. */
  readonly macroF1Interval: Interval
  /** Nats per sample. */
  readonly logLoss: number
  /** Expected calibration error in 15 bins. */
  readonly ece: number
  readonly perClass: readonly ClassFigures[]
  /** confusion[truth][predicted]. */
  readonly confusion: readonly (readonly number[])[]
}

/**
 * Scores probabilities (N, C) against labels.
 *
 * @param random for the bootstrap; the same generator gives the same interval.
 * @throws RangeError where there are no samples, or labels and rows differ in number.
 */
export function evaluate(
  probabilities: Matrix,
  labels: ArrayLike<number>,
  classNames: readonly string[],
  random: Random,
): Evaluation {
  const classes = classNames.length
  const n = probabilities.rows
  if (n === 0) throw new RangeError('there is nothing to evaluate: no samples')
  if (probabilities.columns !== classes) {
    throw new RangeError(`${classes} class names but ${probabilities.columns} columns of probabilities`)
  }
  const predictions = argmaxRows(probabilities)
  const confusion = confusionMatrix(labels, predictions, classes)
  const share = accuracy(labels, predictions)
  return {
    n,
    accuracy: share,
    accuracyInterval: wilsonInterval(Math.round(share * n), n),
    ...(classes > 5 ? { top5: topKAccuracy(labels, probabilities, 5) } : {}),
    macroF1: macroF1(confusion),
    macroF1Interval: macroF1Interval(labels, predictions, classes, random.fork('macro F1')),
    logLoss: logLoss(labels, probabilities),
    ece: reliability(probabilities, labels).ece,
    perClass: classScores(confusion).map(({ precision, recall, f1, support }, k) => ({
      name: classNames[k]!,
      precision,
      recall,
      f1,
      support,
      recallInterval: wilsonInterval(Math.round(recall * support), support),
    })),
    confusion: Array.from({ length: classes }, (_, k) =>
      Array.from(confusion.counts.subarray(k * classes, (k + 1) * classes)),
    ),
  }
}
