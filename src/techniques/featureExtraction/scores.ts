/** How well held-out logits do, for what is not one class a sample. */
import type { Matrix } from '../../base/matrix.js'

/**
 * 2 TP / (2 TP + FP + FN) over all samples and labels, a label being predicted where its logit is above 0; 1 where there is
 * neither a label nor a prediction.
 *
 * @param truth (N, C), 0 or 1
 */
export function microF1(logits: Matrix, truth: ArrayLike<number>): number {
  let hit = 0
  let wrong = 0
  for (let at = 0; at < logits.data.length; at++) {
    const predicted = logits.data[at]! > 0
    if (predicted && truth[at] === 1) hit++
    else if (predicted !== (truth[at] === 1)) wrong++
  }
  return hit + wrong === 0 ? 1 : (2 * hit) / (2 * hit + wrong)
}

/** 1 - sum w (y - f)² / sum w (y - mean)²; 0 where y does not vary. */
export function rSquared(found: ArrayLike<number>, truth: ArrayLike<number>, weights: ArrayLike<number>): number {
  let total = 0
  let mean = 0
  for (let i = 0; i < truth.length; i++) {
    total += weights[i]!
    mean += weights[i]! * truth[i]!
  }
  mean /= total
  let left = 0
  let all = 0
  for (let i = 0; i < truth.length; i++) {
    left += weights[i]! * (truth[i]! - found[i]!) ** 2
    all += weights[i]! * (truth[i]! - mean) ** 2
  }
  return all > 0 ? 1 - left / all : 0
}
