/**
 * Accuracy against the number of labels, ready to show: the measured points with their intervals, the fitted power law as
 * a drawn curve, and the answers to "how many labels for this accuracy?".
 */
import type { Random } from '../base/random.js'
import { grouped } from './format.js'
import { wilsonInterval } from './intervals.js'
import {
  binomialError,
  FURTHEST,
  fitLearningCurve,
  type LabelsNeeded,
  labelsForError,
  predictError,
} from './learningCurve.js'

export interface AccuracyPoint {
  readonly labels: number
  readonly accuracy: number
  readonly low: number
  readonly high: number
}

export interface LabelCurve {
  readonly points: readonly AccuracyPoint[]
  /** Values of the law with 90 % intervals; extrapolated beyond `measuredTo`; empty where nothing could be fitted. */
  readonly curve: readonly AccuracyPoint[]
  readonly measuredTo: number
  /** err(n) = a n^-b + c. */
  readonly law?: { readonly a: number; readonly b: number; readonly c: number }
  /** Why the law was not extrapolated. */
  readonly refusal?: string
  readonly answers: readonly { readonly accuracy: number; readonly needed: LabelsNeeded }[]
}

const DRAWN = 33

/** Accuracy with some number of training labels, on n held-out photos. */
export interface LabelMeasurement {
  readonly labels: number
  readonly accuracy: number
  readonly n: number
  /**
   * 1 for each held-out photo that was right and 0 for the others, (n). Where all measurements have it, in the same order of
   * the same photos, the photos are resampled together: the honest uncertainty of the curve's shape, and a smaller one.
   */
  readonly correct?: ArrayLike<number> | undefined
}

/**
 * Builds the curve from measurements.
 *
 * @param targets accuracies to answer for. Default: the next of 50, 60, 70, 80, 85, 90, 95, 97 and 99 % above the best
 *   measured point, two of them.
 */
export function labelCurve(
  measured: readonly LabelMeasurement[],
  random: Random,
  targets?: readonly number[],
): LabelCurve {
  if (measured.length === 0) throw new RangeError('a label curve needs at least one measurement')
  const sorted = [...measured].sort((a, b) => a.labels - b.labels)
  const points = sorted.map(({ labels, accuracy, n }) => ({ labels, accuracy, ...wilsonInterval(accuracy * n, n) }))
  const fit = fitLearningCurve(
    sorted.map(({ labels, accuracy, n }) => ({
      labels,
      error: 1 - accuracy,
      standardError: binomialError(1 - accuracy, n),
    })),
    random,
    { redraw: jointRedraw(sorted) },
  )
  const best = Math.max(...points.map((point) => point.accuracy))
  const wanted =
    targets ?? [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99].filter((target) => target > best).slice(0, 2)
  const answers = wanted.map((accuracy) => ({ accuracy, needed: labelsForError(fit, 1 - accuracy) }))
  const base = { points, measuredTo: fit.largest, answers }
  if (fit.refusal !== undefined) return { ...base, curve: [], refusal: fit.refusal }
  const furthest =
    fit.largest *
    Math.min(
      FURTHEST,
      Math.max(
        4,
        ...answers.map(({ needed }) => (needed.kind === 'estimate' ? (1.3 * needed.value) / fit.largest : 0)),
      ),
    )
  const steps = [...Array(DRAWN).keys()].map((i) => fit.smallest * (furthest / fit.smallest) ** (i / (DRAWN - 1)))
  const curve = [...new Set([...steps, fit.largest])]
    .sort((a, b) => a - b)
    .map((labels) => {
      const { value, low, high } = predictError(fit, labels)
      return { labels, accuracy: 1 - value, low: 1 - high, high: 1 - low }
    })
  return { ...base, curve, law: { a: fit.a, b: fit.b, c: fit.c } }
}

/** Errors of all measurements on the same resampled photos; undefined where the photos are not known to be the same. */
function jointRedraw(measured: readonly LabelMeasurement[]): ((random: Random) => number[]) | undefined {
  const marks = measured.flatMap(({ correct }) => (correct === undefined ? [] : [correct]))
  const n = marks[0]?.length ?? 0
  if (n === 0 || marks.length !== measured.length || marks.some((correct) => correct.length !== n)) return undefined
  return (random) => {
    const right = new Float64Array(marks.length)
    for (let i = 0; i < n; i++) {
      const photo = random.integer(n)
      for (let m = 0; m < marks.length; m++) right[m] = right[m]! + marks[m]![photo]!
    }
    return Array.from(right, (count) => 1 - count / n)
  }
}

/** 'about 2,400 labels (90% interval 1,900 to 3,100)', or why there is no number. */
export function labelsText(needed: LabelsNeeded): string {
  const about = (n: number) => grouped(Number(n.toPrecision(2)))
  if (needed.kind === 'reached') return `reached with about ${about(needed.labels)} labels`
  if (needed.kind === 'estimate')
    return `about ${about(needed.value)} labels (90% interval ${about(needed.low)} to ${about(needed.high)})`
  if (needed.kind === 'rough')
    return `roughly ${about(needed.value)} labels, and more than ${about(needed.atLeast)}; the measurements set no upper end`
  return `no estimate: ${needed.reason}${needed.atLeast === undefined ? '' : `; more than ${about(needed.atLeast)} labels`}`
}
