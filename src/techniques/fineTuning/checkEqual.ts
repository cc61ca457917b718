/** The last check before a model is given out: it says what the trained one said. */
import { GraftError } from '../../base/errors.js'
import { type Matrix, row } from '../../base/matrix.js'

/** Largest difference allowed between what was trained and what was written back, as a part of the largest logit. */
const TOLERANCE = 2e-3

/** @throws GraftError where the assembled model does not say what the trained one said */
export function checkEqual(assembled: Matrix, trained: Matrix): void {
  let largest = 1
  let difference = 0
  let compared = 0
  for (let i = 0; i < assembled.rows; i++)
    row(trained, i).forEach((value, c) => {
      // A word that was cut off has no logits.
      if (Number.isNaN(value) && Number.isNaN(row(assembled, i)[c])) return
      compared++
      largest = Math.max(largest, Math.abs(value))
      difference = Math.max(difference, Math.abs(value - row(assembled, i)[c]!))
    })
  if (compared === 0)
    throw new GraftError('The trained network gives no numbers, only NaN: training diverged.', {
      remedy: 'Nothing was saved. Lower the learning rate (--lr), or let it be found (--find-lr).',
    })
  if (!(difference <= TOLERANCE * largest))
    throw new GraftError(
      `The model to be saved does not give the logits that were trained: they differ by ${difference.toPrecision(3)}, the largest being ${largest.toPrecision(3)}.`,
      { remedy: 'Nothing was saved. Please report this with the backbone that was used.' },
    )
}
