/** Class shares that have changed since training: predictions corrected by an estimate of them. */
import { UsageError } from '../../base/errors.js'
import { type Matrix, matrix, row, softmaxRows, takeRows } from '../../base/matrix.js'
import { expectationShares } from '../../evaluate/shift/labelShift.js'
import type { OpenStreamMethod, StreamMethod } from './method.js'
import { RecentRows } from './recentRows.js'

/**
 * Predictions for other shares of the classes: p(c | x) pi_c / q_c, divided by its sum over c (Saerens, Latinne and Decaestecker
 * 2002, "Adjusting the outputs of a classifier to new a priori probabilities: a simple procedure", Neural Computation 14). It
 * assumes that within a class samples look as in training, and calibrated probabilities.
 *
 * @param probabilities p, (N, C)
 * @param shares pi, (C), of these samples
 * @param trained q, (C), in training
 */
export function withShares(probabilities: Matrix, shares: ArrayLike<number>, trained: ArrayLike<number>): Matrix {
  const out = matrix(probabilities.rows, probabilities.columns)
  for (let n = 0; n < out.rows; n++) {
    const from = row(probabilities, n)
    const to = row(out, n)
    const raw = Array.from(from, (p, c) => (p * shares[c]!) / trained[c]!)
    const total = raw.reduce((a, b) => a + b, 0)
    for (let c = 0; c < to.length; c++) to[c] = total > 0 ? raw[c]! / total : from[c]!
  }
  return out
}

export interface LabelShiftStreamOptions {
  /** Shares (or numbers) of the classes in training, (C). @default all equal */
  readonly trained?: ArrayLike<number> | undefined
  /** Samples that each class is seen beforehand, so that no share becomes 0 on few samples. @default 1 */
  readonly smoothing?: number | undefined
  /** Samples that the shares are estimated from: the last ones, those of the batch included; all of a larger batch. @default 16 */
  readonly window?: number | undefined
}

/** Rounds of EM. */
const ROUNDS = 200

/**
 * Corrects each batch, by `withShares`, for the class shares of the last samples, which EM on their predictions estimates
 * (see `expectationShares`). No weight changes. Where a domain has moved too, predictions that lean to some classes are taken for
 * shares: the guard gives the corrected ones only where classes come together or few at a time.
 */
export function labelShift(options: LabelShiftStreamOptions = {}): StreamMethod {
  const { window = 16, smoothing = 1, trained } = options
  if (!(window >= 1)) throw new UsageError(`label-shift: window is ${window}; expected at least 1 sample.`)
  if (!(smoothing >= 0)) throw new UsageError(`label-shift: smoothing is ${smoothing}; expected 0 or more.`)
  return {
    name: 'label-shift',
    title: 'Label-shift correction by EM',
    paper: 'Saerens, Latinne and Decaestecker 2002, Neural Computation 14',
    options: { window, smoothing, trained: trained === undefined ? null : Array.from(trained) },
    needs: [],
    regime: 'skewed',
    async open(): Promise<OpenStreamMethod> {
      const recent = new RecentRows(window)
      return {
        async answer(_, { logits }, learn) {
          const own = softmaxRows(logits)
          const seen = recent.with(own)
          if (learn) recent.add(own)
          const prior = sharesOf(trained, own.columns)
          const corrected = withShares(seen, expectationShares(seen, prior, ROUNDS, smoothing), prior)
          const last = Int32Array.from({ length: own.rows }, (_, i) => seen.rows - own.rows + i)
          return { logits: logarithms(takeRows(corrected, last)), learnt: learn }
        },
        async reset() {
          recent.clear()
        },
        release: async () => undefined,
      }
    },
  }
}

function sharesOf(given: ArrayLike<number> | undefined, classes: number): Float64Array {
  const shares = given === undefined ? new Float64Array(classes).fill(1) : Float64Array.from(given)
  if (shares.length !== classes || !shares.every((share) => share > 0))
    throw new UsageError(
      `label-shift: the shares of the classes in training are (${Array.from(shares).join(', ')}); expected ${classes} numbers above 0.`,
      { remedy: 'Give the number of training samples of each class, or leave it out where they were equal.' },
    )
  const all = shares.reduce((a, b) => a + b, 0)
  return shares.map((share) => share / all)
}

/** Logits whose softmax these probabilities are. */
export function logarithms(probabilities: Matrix): Matrix {
  return { ...probabilities, data: probabilities.data.map((p) => Math.log(Math.max(p, 1e-30))) }
}
