/** Figures of several labels a sample: each label is its own question, and the sample is right where all of them are. */
import { type Matrix, row } from '../base/matrix.js'
import type { Random } from '../base/random.js'
import type { ClassFigures } from './evaluation.js'
import { bootstrapInterval, type Interval, wilsonInterval } from './intervals.js'

export interface LabelFigures extends ClassFigures {
  /** Area under precision against recall as a step function, as scikit-learn computes it; NaN where no sample has the label. */
  readonly averagePrecision: number
}

export interface LabelsEvaluation {
  readonly kind: 'labels'
  /** Number of samples. */
  readonly n: number
  /** Share of samples whose labels are all right, and no other is predicted. */
  readonly accuracy: number
  /** Wilson, 95 %. */
  readonly accuracyInterval: Interval
  /** 2 TP / (2 TP + FP + FN) over all samples and labels. */
  readonly microF1: number
  /** Percentile bootstrap over samples, 95 %. */
  readonly microF1Interval: Interval
  /** Mean F1 of the labels that occur or are predicted. */
  readonly macroF1: number
  readonly macroF1Interval: Interval
  /** Mean binary cross-entropy, nats a label. */
  readonly logLoss: number
  readonly perClass: readonly LabelFigures[]
}

/**
 * A label is predicted where its probability is above one half.
 *
 * @param probabilities (N, C)
 * @param truth (N, C), 0 or 1
 */
export function evaluateLabels(
  probabilities: Matrix,
  truth: ArrayLike<number>,
  names: readonly string[],
  random: Random,
): LabelsEvaluation {
  const { rows: n, columns: classes } = probabilities
  if (n === 0) throw new RangeError('there is nothing to evaluate: no samples')
  if (truth.length !== n * classes) throw new RangeError(`${truth.length} labels for ${n} x ${classes} probabilities`)
  const said = Uint8Array.from(probabilities.data, (p) => (p > 0.5 ? 1 : 0))
  const all = Int32Array.from({ length: n }, (_, i) => i)
  let exact = 0
  let loss = 0
  for (let i = 0; i < n; i++) {
    let right = true
    row(probabilities, i).forEach((p, c) => {
      const label = truth[i * classes + c]!
      right &&= said[i * classes + c] === label
      loss -= Math.log(Math.max(label === 1 ? p : 1 - p, 1e-15))
    })
    if (right) exact++
  }
  const micro = (rows: Int32Array) => f1Of(countsOf(said, truth, classes, rows).reduce(add))
  const macro = (rows: Int32Array) => {
    const scores = countsOf(said, truth, classes, rows).filter((one) => one.hit + one.wrong + one.missed > 0)
    return scores.reduce((sum, one) => sum + f1Of(one), 0) / scores.length
  }
  return {
    kind: 'labels',
    n,
    accuracy: exact / n,
    accuracyInterval: wilsonInterval(exact, n),
    microF1: micro(all),
    microF1Interval: bootstrapInterval(n, micro, random.fork('micro F1')),
    macroF1: macro(all),
    macroF1Interval: bootstrapInterval(n, macro, random.fork('macro F1')),
    logLoss: loss / (n * classes),
    perClass: countsOf(said, truth, classes, all).map((counts, c) => {
      const support = counts.hit + counts.missed
      return {
        name: names[c]!,
        precision: counts.hit + counts.wrong === 0 ? 0 : counts.hit / (counts.hit + counts.wrong),
        recall: support === 0 ? 0 : counts.hit / support,
        f1: support + counts.wrong === 0 ? 0 : f1Of(counts),
        support,
        recallInterval: wilsonInterval(counts.hit, support),
        averagePrecision: averagePrecision(
          Float64Array.from(all, (i) => probabilities.data[i * classes + c]!),
          Uint8Array.from(all, (i) => truth[i * classes + c]!),
        ),
      }
    }),
  }
}

interface Counts {
  readonly hit: number
  readonly wrong: number
  readonly missed: number
}

const add = (a: Counts, b: Counts): Counts => ({
  hit: a.hit + b.hit,
  wrong: a.wrong + b.wrong,
  missed: a.missed + b.missed,
})

/** 1 where there is neither a label nor a prediction. */
const f1Of = ({ hit, wrong, missed }: Counts): number =>
  2 * hit + wrong + missed === 0 ? 1 : (2 * hit) / (2 * hit + wrong + missed)

function countsOf(said: Uint8Array, truth: ArrayLike<number>, classes: number, rows: Int32Array): Counts[] {
  const counts = Array.from({ length: classes }, () => ({ hit: 0, wrong: 0, missed: 0 }))
  for (const i of rows)
    for (let c = 0; c < classes; c++) {
      const own = counts[c]!
      const label = truth[i * classes + c] === 1
      if (said[i * classes + c] === 1) {
        if (label) own.hit++
        else own.wrong++
      } else if (label) own.missed++
    }
  return counts
}

/** Sum over thresholds of (recall - recall before) times precision; samples of equal score are one threshold. */
export function averagePrecision(scores: Float64Array, truth: ArrayLike<number>): number {
  const order = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]!)
  const positives = order.reduce((sum, i) => sum + truth[i]!, 0)
  let hits = 0
  let area = 0
  for (let k = 0; k < order.length; ) {
    const score = scores[order[k]!]!
    let gained = 0
    while (k < order.length && scores[order[k]!] === score) gained += truth[order[k++]!]!
    hits += gained
    area += (gained / positives) * (hits / k)
  }
  return positives === 0 ? Number.NaN : area
}
