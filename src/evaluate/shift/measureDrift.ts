/** Whether incoming data left the distribution that a saved model was trained on, and which samples lie outside it. */
import { GraftError } from '../../base/errors.js'
import { type Matrix, takeRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { column, coordinatesOf } from './coordinates.js'
import type { FeatureStatistics } from './featureStatistics.js'
import { holm } from './holm.js'
import { fitLogistic, logisticProbabilities } from './logistic.js'
import type { OutlierScore } from './outlierScores.js'
import { type Outlyingness, outlierThreshold, outOfDistribution } from './outOfDistribution.js'
import { mmdTest } from './permutation.js'
import { kolmogorovSmirnov, mannWhitney, type RankTest } from './rankTests.js'
import { columnScale, scaledRows, stackRows } from './rows.js'

export interface DriftOptions {
  readonly random: Random
  /** Share of calls that may find drift where there is none; also the share of good samples that may count as outside. @default 0.05 */
  readonly alpha?: number
  /** @default 499 */
  readonly permutations?: number
}

export interface DriftTest extends RankTest {
  readonly name: string
  /** Holm's adjusted p-value over all tests of the call. */
  readonly adjusted: number
}

export interface Drift {
  readonly samples: number
  /** True where any test is significant after Holm's correction. */
  readonly found: boolean
  readonly alpha: number
  /** `mmd`, `classifier` (statistic: area under the ROC curve) and `ks-1` ... one for each leading axis, `ks-rest` for what they leave out. */
  readonly tests: readonly DriftTest[]
  readonly outliers: Readonly<
    Partial<
      Record<
        OutlierScore,
        Outlyingness & {
          readonly threshold: number
          /** Samples above the threshold. */
          readonly outside: readonly number[]
          readonly share: number
        }
      >
    >
  >
}

/** Components that get a Kolmogorov-Smirnov test each: with more, Holm's correction swallows what each could show. */
const COMPONENTS = 10
const LEAST = 8

/**
 * Tests of features (N, D) of incoming samples against a model's statistics (Rabanser, Günnemann, Lipton 2019, Failing Loudly: An
 * Empirical Study of Methods for Detecting Dataset Shift, arXiv 1810.11953): Kolmogorov-Smirnov on each of ten principal components and on what
 * the axes leave out, MMD by permutation, and a classifier fitted on half of both sets whose scores on the other half are
 * compared (Lopez-Paz, Oquab 2017, arXiv 1610.06545).
 *
 * @throws GraftError with fewer than 8 samples, or features of another width.
 */
export function measureDrift(
  statistics: FeatureStatistics,
  incoming: { readonly features: Matrix; readonly logits?: Matrix },
  options: DriftOptions,
): Drift {
  const { random, alpha = 0.05, permutations = 499 } = options
  const { features } = incoming
  if (features.columns !== statistics.axes.axes.columns) {
    throw new GraftError(
      `The incoming features have ${features.columns} numbers a sample; the statistics are of ${statistics.axes.axes.columns}.`,
      { remedy: 'Compute the features with the network that the statistics were saved with.' },
    )
  }
  if (features.rows < LEAST) {
    throw new GraftError(`${features.rows} samples are too few to look for drift; at least ${LEAST} are needed.`, {
      remedy: 'Gather more samples.',
    })
  }
  const { unseen } = statistics
  const now = coordinatesOf(features, statistics.axes)
  const last = now.columns - 1
  const leading = Array.from({ length: Math.min(COMPONENTS, last) }, (_, j) => j)
  const mmd = mmdTest(unseen, now, { random: random.fork('drift-mmd'), permutations })
  const found: (RankTest & { name: string })[] = [
    { name: 'mmd', statistic: mmd.statistic, pValue: mmd.pValue },
    { name: 'classifier', ...classifierTest(unseen, now, random.fork('drift-classifier')) },
    ...leading.map((j) => ({ name: `ks-${j + 1}`, ...kolmogorovSmirnov(column(unseen, j), column(now, j)) })),
    { name: 'ks-rest', ...kolmogorovSmirnov(column(unseen, last), column(now, last)) },
  ]
  const adjusted = holm(found.map((test) => test.pValue))
  const tests = found.map((test, i) => ({ ...test, adjusted: adjusted[i]! }))
  const outliers: Drift['outliers'] = Object.fromEntries(
    Object.entries(outOfDistribution(statistics, incoming)).map(([name, result]) => {
      const threshold = outlierThreshold(statistics, name as OutlierScore, alpha) ?? Number.POSITIVE_INFINITY
      const outside = Array.from(result.scores.keys()).filter((i) => result.scores[i]! > threshold)
      return [name, { ...result, threshold, outside, share: outside.length / features.rows }]
    }),
  )
  return { samples: features.rows, found: tests.some((t) => t.adjusted <= alpha), alpha, tests, outliers }
}

/** A classifier of old and new fitted on half of each; on the other half, new samples should not score higher. */
function classifierTest(old: Matrix, now: Matrix, random: Random): RankTest {
  const halves = (m: Matrix, key: string) => {
    const order = random.fork(key).permutation(m.rows)
    return [takeRows(m, order.slice(0, m.rows >> 1)), takeRows(m, order.slice(m.rows >> 1))] as const
  }
  const [oldFit, oldTest] = halves(old, 'old')
  const [nowFit, nowTest] = halves(now, 'new')
  const joined = stackRows(oldFit, nowFit)
  const scale = columnScale(joined)
  const model = fitLogistic(
    scaledRows(joined, scale),
    Float64Array.from({ length: joined.rows }, (_, i) => (i >= oldFit.rows ? 1 : 0)),
    // Stronger than scikit-learn's default: few samples, many columns, and only the order of the scores counts.
    { c: 0.1 },
  )
  return mannWhitney(
    logisticProbabilities(scaledRows(oldTest, scale), model),
    logisticProbabilities(scaledRows(nowTest, scale), model),
  )
}
