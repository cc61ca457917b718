/** Seeded folds for samples with several labels each, which keep the positives of every label even. */
import type { Random } from '../../base/random.js'

/**
 * Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): the label with the fewest samples left is dealt first,
 * each of its samples to the fold that lacks most of them, then to the one that lacks most samples. What has no label comes
 * last.
 *
 * @param labels (N, C), 0 or 1
 * @returns the fold of each sample, 0 ... folds - 1
 */
export function labelFolds(labels: ArrayLike<number>, classes: number, folds: number, random: Random): Int32Array {
  const count = labels.length / classes
  const fold = new Int32Array(count).fill(-1)
  const order = random.permutation(count)
  const left = new Int32Array(classes)
  for (let at = 0; at < labels.length; at++) left[at % classes] = left[at % classes]! + labels[at]!
  const wanted = Array.from({ length: folds }, () => ({
    samples: count / folds,
    labels: Float64Array.from(left, (n) => n / folds),
  }))
  const deal = (i: number, want: (f: number) => number) => {
    let best = 0
    for (let f = 1; f < folds; f++) {
      const gain = want(f) - want(best)
      if (gain > 0 || (gain === 0 && wanted[f]!.samples > wanted[best]!.samples)) best = f
    }
    fold[i] = best
    const to = wanted[best]!
    to.samples--
    for (let c = 0; c < classes; c++)
      if (labels[i * classes + c] === 1) {
        to.labels[c] = to.labels[c]! - 1
        left[c] = left[c]! - 1
      }
  }
  for (;;) {
    let rarest = -1
    for (let c = 0; c < classes; c++) if (left[c]! > 0 && (rarest < 0 || left[c]! < left[rarest]!)) rarest = c
    if (rarest < 0) break
    for (const i of order)
      if (fold[i]! < 0 && labels[i * classes + rarest] === 1) deal(i, (f) => wanted[f]!.labels[rarest]!)
  }
  for (const i of order) if (fold[i]! < 0) deal(i, (f) => wanted[f]!.samples)
  return fold
}
