/** Predictions for held-out training samples: their temperature, and all of it gathered in one shape. */
import { argmaxRows, type Matrix, matrix, row } from '../../base/matrix.js'
import { fitTemperature } from '../../evaluate/calibration.js'
import type { OutOfFold } from './classifier.js'

/** The positions that can be held out, ascending. */
export function heldOutRows(count: number, can: (i: number) => boolean): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => i).filter(can)
}

/** Undefined where nothing was held out. @param labels -1 where it is not known */
export function outOfFoldOf(
  logits: Matrix,
  rows: Int32Array,
  labels: Int32Array,
  temperature: number,
  known?: number,
): OutOfFold | undefined {
  if (rows.length === 0) return undefined
  const own = rows.map((i) => labels[i]!)
  const right = argmaxRows(logits).reduce((sum, predicted, r) => sum + (predicted === own[r] ? 1 : 0), 0)
  const labelled = own.reduce((count, label) => (label >= 0 ? count + 1 : count), 0)
  const accuracy = known ?? right / labelled
  return {
    rows,
    labels: own,
    logits: matrix(
      logits.rows,
      logits.columns,
      logits.data.map((v) => v / temperature),
    ),
    accuracy,
    standardError: Math.sqrt((accuracy * (1 - accuracy)) / labelled),
  }
}

/** Root mean square of logits around their row's mean at which a softmax over a few classes is confident but not blind. */
const USUAL_SPREAD = 3

/**
 * The temperature that fits held-out logits (Guo et al. 2017), whatever their scale: squared distances and least-squares
 * scores are far from that of log-probabilities.
 *
 * @param undetermined what to use where the samples cannot say, because all of them are right: the logits as they are (for
 * those of a softmax regression), or logits of the usual spread
 */
export function heldOutTemperature(logits: Matrix, labels: ArrayLike<number>, undetermined: 'as is' | 'usual'): number {
  let squares = 0
  for (let i = 0; i < logits.rows; i++) {
    const z = row(logits, i)
    const mean = z.reduce((a, b) => a + b, 0) / z.length
    for (const value of z) squares += (value - mean) ** 2
  }
  const spread = Math.sqrt(squares / Math.max(1, logits.data.length))
  if (!(spread > 0)) return 1
  const unit = spread / USUAL_SPREAD
  const fitted = fitTemperature(
    matrix(
      logits.rows,
      logits.columns,
      logits.data.map((v) => v / unit),
    ),
    labels,
  )
  if (fitted.atBound && fitted.temperature === 1) return undetermined === 'as is' ? 1 : unit
  return unit * fitted.temperature
}
