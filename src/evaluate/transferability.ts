/**
 * Scores that guess, without training, how well a backbone's features suit a data set. Studies disagree on which guess is
 * best, so they are shown beside a probe's and k-NN's measured accuracy and never replace it.
 *
 * Features are (N, D), labels class indices, one a sample. Higher is better for all three. The work is one symmetric
 * eigenproblem of size min(N, D).
 */
import { columnMeans, eigenCoordinates, gram, outerGram } from '../base/linearAlgebra.js'
import { type Matrix, row } from '../base/matrix.js'

/**
 * LogME: the maximised log evidence per sample of Bayesian linear regression from the features to each one-hot label,
 * averaged over the classes (You, Liu, Wang and Long 2021).
 *
 * With s the eigenvalues of FᵀF, z the label's coordinates in the left singular vectors, and prior precision alpha and
 * noise precision beta found by MacKay's fixed point (gamma = sum of s / (s + alpha / beta), alpha = gamma / |m|²,
 * beta = (N - gamma) / |F m - y|²):
 * L / N = (N log beta + D log alpha - sum log(alpha + beta s) - beta |F m - y|² - alpha |m|² - N log 2 pi) / 2N.
 *
 * The evidence is run to convergence, where the authors' program stops after 11 rounds.
 */
export function logME(features: Matrix, labels: ArrayLike<number>, classes: number): number {
  const n = checkLabels(features, labels, classes)
  const counts = classCounts(labels, classes)
  const targets = indicators(labels, classes, n)
  const spectrum = leftSpectrum(features, targets, classes)
  let sum = 0
  let used = 0
  for (let k = 0; k < classes; k++) {
    if (counts[k] === 0) continue
    const z = spectrum.coordinates.subarray(k * spectrum.values.length, (k + 1) * spectrum.values.length)
    sum += evidence(spectrum.values, z, counts[k]!, n, features.columns)
    used++
  }
  return sum / used
}

/** Log evidence per sample for one target y with |y|² = `square`. */
function evidence(s: Float64Array, z: ArrayLike<number>, square: number, n: number, d: number): number {
  const floor = 1e-5
  let alpha = 1
  let beta = 1
  let norm = 0
  let residual = 0
  for (let round = 0; round < 200; round++) {
    const ratio = alpha / beta
    let gamma = 0
    let explained = 0
    norm = 0
    residual = 0
    for (let i = 0; i < s.length; i++) {
      const share = s[i]! / (s[i]! + ratio)
      const energy = z[i]! * z[i]!
      gamma += share
      if (s[i]! > 0) norm += (share * share * energy) / s[i]!
      residual += (1 - share) ** 2 * energy
      explained += energy
    }
    residual += Math.max(0, square - explained)
    alpha = gamma / (norm + floor)
    beta = (n - gamma) / (residual + floor)
    if (Math.abs(alpha / beta - ratio) <= 1e-6 * ratio) break
  }
  let determinant = (d - s.length) * Math.log(alpha)
  for (let i = 0; i < s.length; i++) determinant += Math.log(alpha + beta * s[i]!)
  const fit = beta * (residual + floor) + alpha * (norm + floor)
  return (n * Math.log(beta) + d * Math.log(alpha) - determinant - fit - n * Math.log(2 * Math.PI)) / (2 * n)
}

/** How the H-score's covariance is estimated. */
export interface HScoreOptions {
  /**
   * 'ledoit-wolf' (default) draws the covariance towards a multiple of the identity by Ledoit and Wolf's (2004) amount, which
   * Ibrahim, Ponomareva and Mazumder (2022) show the score needs wherever N is not far above D; 'none' is Bao's plain
   * score with a pseudo-inverse, which saturates at (classes - 1) as D nears N; a number in [0, 1] is an amount of your own.
   */
  readonly shrinkage?: 'ledoit-wolf' | 'none' | number
}

/**
 * H-score: tr(cov(f)⁻¹ cov(E[f | y])), how much of the features' variance tells the classes apart (Bao et al. 2019); with
 * shrinkage w, tr(((1 - w) cov(f) + w v I)⁻¹ (1 - w) cov(E[f | y])), v the mean variance of a feature.
 */
export function hScore(
  features: Matrix,
  labels: ArrayLike<number>,
  classes: number,
  options: HScoreOptions = {},
): number {
  const n = checkLabels(features, labels, classes)
  const counts = classCounts(labels, classes)
  const mean = columnMeans(features)
  const spectrum = leftSpectrum(features, indicators(labels, classes, n), classes, mean)
  const variances = spectrum.values.map((s) => s / n)
  const total = variances.reduce((sum, v) => sum + v, 0)
  const average = total / features.columns
  const shrinkage = options.shrinkage ?? 'ledoit-wolf'
  const weight =
    typeof shrinkage === 'number'
      ? shrinkage
      : shrinkage === 'none'
        ? 0
        : ledoitWolf(features, mean, variances, average)
  const smallest = 1e-10 * Math.max(0, ...variances)
  let score = 0
  for (let i = 0; i < variances.length; i++) {
    if (variances[i]! <= smallest) continue
    // Coordinate of the mean of class k along eigenvector i: sqrt(s) z / count; its share of the samples is count / N.
    let between = 0
    for (let k = 0; k < classes; k++) {
      if (counts[k] === 0) continue
      const z = spectrum.coordinates[k * variances.length + i]!
      between += (spectrum.values[i]! * z * z) / (counts[k]! * n)
    }
    score += ((1 - weight) * between) / ((1 - weight) * variances[i]! + weight * average)
  }
  return score
}

/** Ledoit and Wolf's (2004) shrinkage intensity of the covariance of centred rows, from its spectrum. */
function ledoitWolf(features: Matrix, mean: Float64Array, variances: Float64Array, average: number): number {
  const { rows: n, columns: d } = features
  let fourth = 0
  for (let i = 0; i < n; i++) {
    let square = 0
    const x = row(features, i)
    for (let j = 0; j < d; j++) square += (x[j]! - mean[j]!) ** 2
    fourth += square * square
  }
  const squares = variances.reduce((sum, v) => sum + v * v, 0)
  const spread = (fourth / n - squares) / n
  const distance = squares - d * average * average
  return distance <= 0 ? 1 : Math.min(1, Math.max(0, spread / distance))
}

/**
 * LEEP: mean log-likelihood of the labels under the expected empirical predictor through the source's own classes
 * (Nguyen, Hassner, Seeger and Archambeau 2020): P(y, z) = mean of source(z | x) over samples labelled y, and
 * score = mean of log sum_z P(y_i | z) source(z | x_i). At most 0.
 *
 * @param source probabilities of the backbone's own head, (N, Z), rows summing to 1.
 */
export function leep(source: Matrix, labels: ArrayLike<number>, classes: number): number {
  const n = checkLabels(source, labels, classes)
  const z = source.columns
  const joint = new Float64Array(classes * z)
  const marginal = new Float64Array(z)
  for (let i = 0; i < n; i++) {
    const p = row(source, i)
    const at = labels[i]! * z
    for (let j = 0; j < z; j++) {
      joint[at + j] = joint[at + j]! + p[j]!
      marginal[j] = marginal[j]! + p[j]!
    }
  }
  let score = 0
  for (let i = 0; i < n; i++) {
    const p = row(source, i)
    const at = labels[i]! * z
    let likelihood = 0
    for (let j = 0; j < z; j++) if (marginal[j]! > 0) likelihood += (joint[at + j]! / marginal[j]!) * p[j]!
    score += Math.log(likelihood)
  }
  return score / n
}

/**
 * Eigenvalues s of XᵀX that can differ from 0 (min(N, D) of them) and the coordinates Uᵀy of each target in the left
 * singular vectors of X, through whichever Gram matrix is smaller.
 */
function leftSpectrum(
  x: Matrix,
  targets: Float64Array,
  count: number,
  mean?: Float64Array,
): { values: Float64Array; coordinates: Float64Array } {
  const { rows: n, columns: d } = x
  const options = mean === undefined ? {} : { mean }
  if (n <= d) {
    const found = eigenCoordinates(outerGram(x, options), n, targets, count)
    return { values: found.values.map((s) => Math.max(0, s)), coordinates: found.coordinates }
  }
  // Uᵀy = S⁻¹ Vᵀ Xᵀy.
  const projected = new Float64Array(count * d)
  for (let k = 0; k < count; k++) {
    for (let i = 0; i < n; i++) {
      const weight = targets[k * n + i]!
      if (weight === 0) continue
      for (let j = 0; j < d; j++) {
        projected[k * d + j] = projected[k * d + j]! + weight * (x.data[i * d + j]! - (mean?.[j] ?? 0))
      }
    }
  }
  const found = eigenCoordinates(gram(x, options), d, projected, count)
  const values = found.values.map((s) => Math.max(0, s))
  const smallest = 1e-12 * (values.at(-1) ?? 0)
  return {
    values: values.map((s) => (s > smallest ? s : 0)),
    coordinates: found.coordinates.map((c, i) => (values[i % d]! > smallest ? c / Math.sqrt(values[i % d]!) : 0)),
  }
}

/** One-hot targets as rows, (C, N). */
function indicators(labels: ArrayLike<number>, classes: number, n: number): Float64Array {
  const out = new Float64Array(classes * n)
  for (let i = 0; i < n; i++) out[labels[i]! * n + i] = 1
  return out
}

function classCounts(labels: ArrayLike<number>, classes: number): Int32Array {
  const counts = new Int32Array(classes)
  for (let i = 0; i < labels.length; i++) counts[labels[i]!] = counts[labels[i]!]! + 1
  return counts
}

function checkLabels(m: Matrix, labels: ArrayLike<number>, classes: number): number {
  if (labels.length !== m.rows) throw new RangeError(`${labels.length} labels but ${m.rows} rows of features`)
  if (m.rows < 2) throw new RangeError('a transferability score needs at least two samples')
  for (let i = 0; i < labels.length; i++) {
    const k = labels[i]!
    if (!Number.isInteger(k) || k < 0 || k >= classes) {
      throw new RangeError(`sample ${i} has class index ${k}; expected an integer from 0 to ${classes - 1}`)
    }
  }
  return m.rows
}
