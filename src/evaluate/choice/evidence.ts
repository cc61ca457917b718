/** How much better than source-only each candidate is by the readings of the target and by its neighbours, with the bootstrap over samples. */

import type { Matrix } from '../../base/matrix.js'
import { argmaxRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { type Interval, quantile } from '../intervals.js'
import { cohesion, nearestRows, neighbourAgreement } from './cohesion.js'
import type { Reading, ReadingName } from './readings.js'

export interface Evidence {
  /**
   * Difference to source-only in expected accuracy, by plausible reading, times the reading's scale where that is below 1: where classes have drawn
   * together to half their distance, a sample's posterior says half as much.
   */
  readonly gains: Readonly<Partial<Record<ReadingName, number>>>
  /** The least and the mean of them. */
  readonly leastGain: number
  readonly meanGain: number
  /** Difference to source-only in `cohesion`. */
  readonly cohesionGain: number
  /** meanGain + cohesionGain. */
  readonly score: number
  /** 90 % of `score`, by the bootstrap over target samples. */
  readonly interval: Interval
}

/** What a point of cohesion counts against a point of expected accuracy. */
const COHESION = 1
const REPLICATES = 300

/**
 * Judges candidates of the same target samples.
 *
 * @param logits of each candidate, (N, C) on the samples that the readings are of
 * @param features the target's in one space for all, (N, D)
 */
export function gatherEvidence(
  logits: readonly Matrix[],
  baseline: Matrix,
  readings: readonly Reading[],
  features: Matrix,
  random: Random,
): Evidence[] {
  const n = baseline.rows
  const classes = baseline.columns
  const plausible = readings.filter((r) => r.plausible)
  const neighbours = nearestRows(features)
  const even = new Float64Array(n).fill(1 / n)
  const draws = Array.from({ length: REPLICATES }, (_, r) => {
    const generator = random.fork('evidence', r)
    const weights = new Float64Array(n)
    for (let i = 0; i < n; i++) {
      const at = generator.integer(n)
      weights[at] = weights[at]! + 1 / n
    }
    return weights
  })
  const judge = (predictions: Int32Array) => {
    const agreement = neighbourAgreement(neighbours, predictions)
    return {
      predictions,
      whole: cohesion(agreement, predictions, classes, even),
      resampled: draws.map((weights) => cohesion(agreement, predictions, classes, weights)),
    }
  }
  const source = judge(argmaxRows(baseline))
  return logits.map((one): Evidence => {
    const own = judge(argmaxRows(one))
    const gains: Partial<Record<ReadingName, number>> = {}
    const mean = new Float64Array(n)
    for (const { name, posterior, scale } of plausible) {
      let sum = 0
      for (let i = 0; i < n; i++) {
        const gap =
          Math.min(1, scale) *
          (posterior.data[i * classes + own.predictions[i]!]! - posterior.data[i * classes + source.predictions[i]!]!)
        mean[i] = mean[i]! + gap / plausible.length
        sum += gap / n
      }
      gains[name] = sum
    }
    const values = Object.values(gains)
    const meanGain = values.reduce((sum, v) => sum + v, 0) / values.length
    const cohesionGain = own.whole - source.whole
    const resampled = Float64Array.from(draws, (weights, r) => {
      let sum = 0
      for (let i = 0; i < n; i++) sum += weights[i]! * mean[i]!
      return sum + COHESION * (own.resampled[r]! - source.resampled[r]!)
    }).sort()
    return {
      gains,
      leastGain: Math.min(...values),
      meanGain,
      cohesionGain,
      score: meanGain + COHESION * cohesionGain,
      interval: { low: quantile(resampled, 0.05), high: quantile(resampled, 0.95) },
    }
  })
}
