/** The ways in which the target's features can be read as the source's classes, and which of them the features allow. */
import { columnMeans } from '../../base/linearAlgebra.js'
import { type Matrix, row } from '../../base/matrix.js'
import { leastSquaresDistribution } from '../shift/simplex.js'
import { discriminants } from './discriminants.js'
import { fitMovedClasses, LEAST_SCALE, type MovedClasses } from './movedClasses.js'

export type ReadingName = 'same shares' | 'any shares' | 'same distances'

export interface Reading extends MovedClasses {
  readonly name: ReadingName
  /** What it supposes, in words. */
  readonly supposes: string
  /** Whether candidates are judged by it. */
  readonly plausible: boolean
}

export interface Readings {
  readonly readings: readonly Reading[]
  /**
   * Squared distance of the target's mean from every mixture of the source's class means, in deviations of a class. Far off, the
   * target moved in ways that shares do not explain, and shares that are estimated as if they did mean nothing.
   */
  readonly unexplained: number
  /** True where the classes lie so close in every plausible reading that nothing can be told. */
  readonly blurred: boolean
}

export interface ReadingsInput {
  /** Source features in the source's own scale, and the target's in that same scale. */
  readonly plain: { readonly source: Matrix; readonly target: Matrix }
  /** The same samples, each domain in its own scale. */
  readonly scaled: { readonly source: Matrix; readonly target: Matrix }
  readonly labels: ArrayLike<number>
  /** Share of each class in the source and in source-only's predictions of the target, (C). */
  readonly prior: Float64Array
  readonly predicted: Float64Array
}

/** A mean two deviations of a class off is moved, whatever the shares. */
const UNEXPLAINED = 4
/** Log-likelihood a sample by which a reading may be worse than the best: features are not normal, and a wrong model gains by bending. */
const SLACK = 0.15
/** And altogether, where there are few samples. */
const SLACK_ALTOGETHER = 5

/**
 * Three readings in the discriminant coordinates of the scaled features:
 * - same shares: the classes are as frequent as in the source, and moved;
 * - any shares: they became more or less frequent too;
 * - same distances: more or less frequent, moved, but as far apart as in the source (one class alone looks like two that came together).
 *
 * The first is always kept; it is what every method supposes that makes the domains look alike. The others are kept where the target's mean can be a mixture
 * of the source's classes and the likelihood allows it.
 */
export function readTarget({ plain, scaled, labels, prior, predicted }: ReadingsInput): Readings {
  const classes = prior.length
  const space = discriminants(scaled.source, labels, classes)
  const z = space.coordinates(scaled.target)
  const centre = columnMeans(z)
  const smoothed = predicted.map((p) => (p + 0.02) / (1 + 0.02 * classes))
  const moved = (shares: Float64Array) => {
    const middle = mixtureMean(space.means, shares)
    return centre.map((c, j) => c - middle[j]!)
  }
  const starts = [
    { shares: prior, offset: moved(prior) },
    { shares: smoothed, offset: moved(smoothed) },
    { shares: smoothed, offset: new Float64Array(z.columns) },
  ]
  const best = (options: { holdShares?: boolean; holdScale?: boolean }) =>
    (options.holdShares ? starts.slice(0, 1) : starts)
      .map((start) => fitMovedClasses(z, space.means, { ...start, ...options }))
      .reduce((a, b) => (b.logLikelihood > a.logLikelihood ? b : a))
  const found = [
    {
      name: 'same shares' as const,
      supposes: 'classes as frequent as in the source, moved together',
      fit: best({ holdShares: true }),
    },
    { name: 'any shares' as const, supposes: 'classes more or less frequent, and moved together', fit: best({}) },
    {
      name: 'same distances' as const,
      supposes: 'classes more or less frequent, as far apart as in the source',
      fit: best({ holdScale: true }),
    },
  ]
  const top = Math.max(...found.map(({ fit }) => fit.logLikelihood))
  const unexplained = unexplainedMean(plain, labels, classes)
  const readings = found.map(
    ({ name, supposes, fit }): Reading => ({
      name,
      supposes,
      ...fit,
      plausible:
        name === 'same shares' ||
        (unexplained < UNEXPLAINED && top - fit.logLikelihood <= SLACK + SLACK_ALTOGETHER / z.rows),
    }),
  )
  const free = readings.filter((r) => r.plausible && r.name !== 'same distances')
  return { readings, unexplained, blurred: free.every((r) => r.scale <= LEAST_SCALE) }
}

/** Squared distance of the target's mean from the hull of the source's class means, in discriminant coordinates of the source. */
function unexplainedMean(plain: ReadingsInput['plain'], labels: ArrayLike<number>, classes: number): number {
  const space = discriminants(plain.source, labels, classes)
  const mean = columnMeans(space.coordinates(plain.target))
  const present = Array.from({ length: classes }, (_, k) => k).filter((k) => !Number.isNaN(row(space.means, k)[0]!))
  const d = mean.length
  const a = new Float64Array(d * present.length)
  present.forEach((k, column) => {
    for (let j = 0; j < d; j++) a[j * present.length + column] = space.means.data[k * d + j]!
  })
  const even = new Float64Array(present.length).fill(1 / present.length)
  const q = leastSquaresDistribution(a, mean, even, 0)
  let square = 0
  for (let j = 0; j < d; j++) {
    let sum = 0
    for (let c = 0; c < present.length; c++) sum += a[j * present.length + c]! * q[c]!
    square += (mean[j]! - sum) ** 2
  }
  return square
}

function mixtureMean(means: Matrix, shares: Float64Array): Float64Array {
  const out = new Float64Array(means.columns)
  shares.forEach((q, k) => {
    const mean = row(means, k)
    if (q > 0 && !Number.isNaN(mean[0]!)) for (let j = 0; j < out.length; j++) out[j] = out[j]! + q * mean[j]!
  })
  return out
}
