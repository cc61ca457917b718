/**
 * What a saved model remembers of its training features, a few hundred kilobytes: enough to say later whether incoming data looks the
 * same, and which samples do not. Everything is kept in the coordinates of the leading principal axes, and the length of what they leave out.
 */
import { GraftError } from '../../base/errors.js'
import { type Matrix, matrix, takeRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { quantile } from '../intervals.js'
import { someIndices } from '../validators/someRows.js'
import { type ClassGaussians, classGaussians } from './classDistances.js'
import { column, coordinatesOf } from './coordinates.js'
import { type OutlierScore, outlierScores } from './outlierScores.js'
import { type PrincipalAxes, principalAxes } from './principalAxes.js'

export interface FeatureStatistics {
  /** Samples that were looked at. */
  readonly samples: number
  /** Axes of the features (D) that are kept, (K, D) with K at most 64. */
  readonly axes: PrincipalAxes
  /** Quantiles of each coordinate at 0, 1/32, ..., 1, (K + 1, 33); the last row is the length of what the axes leave out. */
  readonly quantiles: Matrix
  /** Coordinates of samples drawn at random, (R, K + 1) with R at most 500. */
  readonly reservoir: Matrix
  /**
   * The same of samples that the axes were not found from, (R', K + 1): what incoming samples are tested against. Axes fit the samples
   * they come from better than any others, however like these are.
   */
  readonly unseen: Matrix
  /** Means of the classes and their shared covariance, on K + 1 coordinates. */
  readonly gaussians: ClassGaussians
  /** Scores of samples that the above has not seen, ascending, at most 1,000 a score: what thresholds are read from. */
  readonly calibration: Readonly<Partial<Record<OutlierScore, Float32Array>>>
}

export interface StatisticsInput {
  /** Features (N, D). Where the backbone was trained too, of samples that it was not trained on. */
  readonly features: Matrix
  /** Class of each sample. @default one class for all */
  readonly labels?: ArrayLike<number>
  /** @default as many as the labels name */
  readonly classes?: number
  /** The model's logits on them, where the thresholds shall include those of logits. */
  readonly logits?: Matrix
  /**
   * Samples that calibrate the thresholds, and trained nothing. @default a fifth of the above, which then is not looked at otherwise; their
   * logits, if the head was trained on them, look surer than those of new samples
   */
  readonly calibration?: { readonly features: Matrix; readonly logits?: Matrix }
}

const QUANTILES = 33
const RESERVOIR = 500
const CALIBRATION = 1000
const LEAST = 10

/** @throws GraftError with fewer than 10 samples, or features that are not finite. */
export function featureStatistics(input: StatisticsInput, options: { readonly random: Random }): FeatureStatistics {
  const { features } = input
  if (features.rows < LEAST) {
    throw new GraftError(`Statistics of features need at least ${LEAST} samples; there are ${features.rows}.`, {
      remedy: 'Give more samples, or save the model without statistics.',
    })
  }
  if (!features.data.every(Number.isFinite)) {
    throw new GraftError('There are features that are not finite numbers.', {
      remedy: 'Look for damaged samples, or a backbone that overflows.',
    })
  }
  const random = options.random.fork('feature-statistics')
  const { kept, calibration } = divide(input, random)
  const classes = input.classes ?? Math.max(0, ...Array.from(input.labels ?? [])) + 1
  const axes = principalAxes(kept.features, { random })
  const coordinates = coordinatesOf(kept.features, axes)
  const statistics = {
    samples: features.rows,
    axes,
    quantiles: quantilesOf(coordinates),
    reservoir: takeRows(coordinates, someIndices(coordinates.rows, RESERVOIR, random.fork('reservoir'))),
    gaussians: classGaussians(coordinates, kept.labels, classes),
  }
  const unseen = takeRows(
    calibration.features,
    someIndices(calibration.features.rows, RESERVOIR, random.fork('unseen')),
  )
  const some = someIndices(calibration.features.rows, CALIBRATION, random.fork('calibration'))
  const scores = outlierScores(statistics, {
    features: takeRows(calibration.features, some),
    ...(calibration.logits && { logits: takeRows(calibration.logits, some) }),
  })
  return {
    ...statistics,
    unseen: coordinatesOf(unseen, axes),
    calibration: Object.fromEntries(
      Object.entries(scores).map(([name, values]) => [name, Float32Array.from(values).sort()]),
    ),
  }
}

interface Kept {
  readonly features: Matrix
  readonly labels: ArrayLike<number>
}

/** What statistics are made of, and what calibrates them. */
function divide(
  input: StatisticsInput,
  random: Random,
): { kept: Kept; calibration: { features: Matrix; logits?: Matrix } } {
  const { features, logits } = input
  const labels = input.labels ?? new Int32Array(features.rows)
  if (input.calibration && input.calibration.features.rows > 0)
    return { kept: { features, labels }, calibration: input.calibration }
  const order = random.fork('calibration-part').permutation(features.rows)
  const size = Math.max(1, Math.floor(features.rows / 5))
  const outside = order.slice(0, size).sort()
  const inside = order.slice(size).sort()
  return {
    kept: { features: takeRows(features, inside), labels: inside.map((i) => labels[i]!) },
    calibration: {
      features: takeRows(features, outside),
      ...(logits && { logits: takeRows(logits, outside) }),
    },
  }
}

function quantilesOf(coordinates: Matrix): Matrix {
  const out = matrix(coordinates.columns, QUANTILES)
  for (let j = 0; j < coordinates.columns; j++) {
    const values = column(coordinates, j).sort()
    for (let q = 0; q < QUANTILES; q++) out.data[j * QUANTILES + q] = quantile(values, q / (QUANTILES - 1))
  }
  return out
}
