/**
 * All figures of one model on one split, as one JSON-like object: what `graft evaluate --json` prints, what the model
 * folder keeps and what the report shows. Here those of a classifier; beside it those of several labels, numbers and words.
 */
import { argmaxRows, type Matrix } from '../base/matrix.js'
import type { Random } from '../base/random.js'
import { reliability } from './calibration.js'
import type { LabelsEvaluation } from './evaluateLabels.js'
import type { NumberEvaluation } from './evaluateNumber.js'
import type { WordsEvaluation } from './evaluateWords.js'
import { bootstrapInterval, type Interval, macroF1Interval, wilsonInterval } from './intervals.js'
import { accuracy, classScores, confusionMatrix, logLoss, macroF1, topKAccuracy } from './metrics.js'
import type { PartFigures } from './oldAndNew.js'

export interface ClassFigures {
  readonly name: string
  readonly precision: number
  readonly recall: number
  readonly f1: number
  readonly support: number
  /** Wilson interval of the recall. */
  readonly recallInterval: Interval
}

/** What was measured: of one class a sample, of several labels, of a number, or of a class a word. */
export type Evaluation = ClassEvaluation | LabelsEvaluation | NumberEvaluation | WordsEvaluation

/** Classes in an order: how far off the answers are. */
export interface OrderFigures {
  /** Mean distance between the predicted and the true class, in classes. */
  readonly mae: number
  /** Percentile bootstrap, 95 %. */
  readonly maeInterval: Interval
  /** Cohen's kappa with quadratic weights (Cohen 1968): 1 for perfect agreement, 0 for chance. */
  readonly kappa: number
  readonly kappaInterval: Interval
}

export interface ClassEvaluation {
  readonly kind: 'classes'
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
  /** Where the classes have an order. */
  readonly order?: OrderFigures
  /** Of a model that was trained further: samples of the classes that it knew before. */
  readonly old?: PartFigures
  /** The same of the classes that were added. */
  readonly new?: PartFigures
}

/**
 * Scores probabilities (N, C) against labels.
 *
 * @param random for the bootstrap; the same generator gives the same interval.
 * @param ordered whether the classes go from low to high
 * @throws RangeError where there are no samples, or labels and rows differ in number.
 */
export function evaluate(
  probabilities: Matrix,
  labels: ArrayLike<number>,
  classNames: readonly string[],
  random: Random,
  ordered = false,
): ClassEvaluation {
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
    kind: 'classes',
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
    ...(ordered ? { order: orderFigures(labels, predictions, classes, random) } : {}),
  }
}

function orderFigures(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classes: number,
  random: Random,
): OrderFigures {
  const n = labels.length
  const all = Int32Array.from({ length: n }, (_, i) => i)
  const mae = (rows: Int32Array) =>
    rows.reduce((sum, i) => sum + Math.abs(labels[i]! - predictions[i]!), 0) / rows.length
  const kappa = (rows: Int32Array) => quadraticKappa(labels, predictions, classes, rows)
  return {
    mae: mae(all),
    maeInterval: bootstrapInterval(n, mae, random.fork('mae')),
    kappa: kappa(all),
    kappaInterval: bootstrapInterval(n, kappa, random.fork('kappa')),
  }
}

/**
 * 1 - sum w_ij O_ij / sum w_ij E_ij over classes i (true) and j (predicted), with w_ij = (i - j)^2, O the counts and E what the
 * margins alone would give. 1 where every answer is right and all are the same; NaN without samples.
 */
function quadraticKappa(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classes: number,
  rows: Int32Array,
): number {
  const truth = new Float64Array(classes)
  const found = new Float64Array(classes)
  let observed = 0
  for (const i of rows) {
    truth[labels[i]!] = truth[labels[i]!]! + 1
    found[predictions[i]!] = found[predictions[i]!]! + 1
    observed += (labels[i]! - predictions[i]!) ** 2
  }
  let expected = 0
  truth.forEach((t, i) => {
    found.forEach((f, j) => {
      expected += ((i - j) ** 2 * t * f) / rows.length
    })
  })
  return expected === 0 ? (observed === 0 ? 1 : 0) : 1 - observed / expected
}
