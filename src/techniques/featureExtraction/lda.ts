/** Linear discriminant analysis (Fisher 1936) with a covariance shrunk as Ledoit and Wolf (2004) derive. */
import { cholesky, solveCholesky } from '../../base/linearAlgebra.js'
import { type Matrix, matrix, row, takeRows } from '../../base/matrix.js'
import {
  type Classifier,
  checkFit,
  divided,
  type FitOptions,
  type FittedClassifier,
  type LinearHead,
  linearLogits,
  weightedTargets,
} from './classifier.js'
import { stratifiedFolds } from './folds.js'
import { linearNodes } from './headNodes.js'
import { classMeans } from './nearestMean.js'
import { heldOutRows, heldOutTemperature, outOfFoldOf } from './outOfFold.js'
import { gramThroughEngine } from './products.js'
import { foldBack, type Standardiser, standardise, standardiser } from './standardise.js'

export interface LdaOptions {
  /** Share of the identity in the covariance, 0 ... 1. @default Ledoit and Wolf's optimum */
  readonly shrinkage?: number
  /** As for the linear probe. @default 0.3 */
  readonly varianceFloor?: number
}

export interface FittedLda extends FittedClassifier {
  readonly linear: LinearHead
  readonly shrinkage: number
  /**
   * Squared Mahalanobis distance to the nearest class mean, min_c (x - mu_c)ᵀ S⁻¹ (x - mu_c), for features (M, D): large
   * for inputs unlike anything seen in training (Lee et al. 2018).
   */
  mahalanobis(features: Matrix): Float64Array
}

/** Log-prior of a class whose samples all weigh nothing: low at any temperature, and finite. */
const ABSENT = -1e6
/** One fold in this many is held out for the temperature and the accuracy. */
const FOLDS = 5

/**
 * Gaussian classes with one covariance S: logits_c = x . S⁻¹ mu_c - mu_cᵀ S⁻¹ mu_c / 2 + log pi_c, on standardised features.
 * S = (1 - a) S_w + a m I with S_w the pooled covariance within classes and m = trace(S_w) / D. The logits are
 * divided by the temperature that fits a held-out fold.
 */
export function lda(options: LdaOptions = {}): Classifier<FittedLda> {
  const { varianceFloor = 0.3 } = options
  return {
    name: 'lda',
    async fit(features, labels, classes, fit) {
      checkFit(features, labels, classes, fit)
      const { weights } = weightedTargets(labels, classes, { ...fit, targets: undefined })
      const scaling = standardiser(features, weights, varianceFloor)
      const x = standardise(features, scaling)
      const given = options.shrinkage
      // The samples that made the covariance look nearer to their means than they are: a held-out fold says how much.
      const fold = stratifiedFolds(labels, classes, FOLDS, fit.random.fork('lda-folds'))
      const rows = heldOutRows(labels.length, (i) => fold[i] === 0 && weights[i]! > 0)
      let logits = matrix(0, classes)
      let temperature = 1
      if (rows.length > 0) {
        const inside = weights.map((w, i) => (fold[i] === 0 ? 0 : w))
        const rehearsal = await gaussians(x, labels, classes, inside, given, fit)
        logits = linearLogits(takeRows(x, rows), rehearsal.head)
        temperature = heldOutTemperature(
          logits,
          rows.map((i) => labels[i]!),
          'usual',
        )
      }
      fit.onProgress?.(0.5)
      const { head, means, factor, shrinkage } = await gaussians(x, labels, classes, weights, given, fit)
      const linear = foldBack(divided(head, temperature), scaling)
      const outOfFold = outOfFoldOf(logits, rows, labels, temperature)
      return {
        name: 'lda',
        classes,
        dimensions: features.columns,
        linear,
        shrinkage,
        logits: (other) => linearLogits(other, linear),
        nodes: (from, to, prefix) => linearNodes(linear, from, to, prefix),
        mahalanobis: (other) => distances(other, scaling, means, factor),
        outOfFold,
        details: { shrinkage, temperature, ...(outOfFold && { accuracy: outOfFold.accuracy }) },
      }
    },
  }
}

interface Gaussians {
  /** On standardised features. */
  readonly head: LinearHead
  /** (C, D) */
  readonly means: Matrix
  /** Cholesky factor of S, (D, D). */
  readonly factor: Float64Array
  readonly shrinkage: number
}

async function gaussians(
  x: Matrix,
  labels: Int32Array,
  classes: number,
  weights: Float64Array,
  given: number | undefined,
  { engine, signal }: FitOptions,
): Promise<Gaussians> {
  const d = x.columns
  const total = weights.reduce((a, b) => a + b, 0)
  const priors = new Float64Array(classes)
  labels.forEach((label, i) => {
    priors[label] = priors[label]! + weights[i]!
  })
  const means = classMeans(x, labels, classes, weights, priors)
  const centred = within(x, labels, means, weights)
  const covariance = await gramThroughEngine(engine, centred, signal)
  for (let k = 0; k < covariance.length; k++) covariance[k] = covariance[k]! / total
  const shrinkage = given ?? ledoitWolf(centred, covariance, weights)
  const factor = cholesky(shrunk(covariance, d, shrinkage), d)

  const right = new Float64Array(d * classes)
  for (let c = 0; c < classes; c++) for (let j = 0; j < d; j++) right[j * classes + c] = means.data[c * d + j]!
  const solved = solveCholesky(factor, d, right, classes)
  const weight = matrix(classes, d)
  const bias = new Float32Array(classes)
  for (let c = 0; c < classes; c++) {
    let square = 0
    for (let j = 0; j < d; j++) {
      weight.data[c * d + j] = solved[j * classes + c]!
      square += solved[j * classes + c]! * means.data[c * d + j]!
    }
    bias[c] = priors[c]! > 0 ? -square / 2 + Math.log(priors[c]! / total) : ABSENT
  }
  return { head: { weight, bias }, means, factor, shrinkage }
}

/** sqrt(w_i) (x_i - mu of its class). */
function within(x: Matrix, labels: Int32Array, means: Matrix, weights: Float64Array): Matrix {
  const out = matrix(x.rows, x.columns)
  for (let i = 0; i < x.rows; i++) {
    const mean = row(means, labels[i]!)
    const root = Math.sqrt(weights[i]!)
    for (let j = 0; j < x.columns; j++) out.data[i * x.columns + j] = root * (x.data[i * x.columns + j]! - mean[j]!)
  }
  return out
}

/**
 * The shrinkage that minimises the expected squared error: min(b², d²) / d² with m = trace(S) / D, d² = |S - m I|²,
 * b² = sum_i |x_i x_iᵀ - S|² / N² (Frobenius; Ledoit and Wolf 2004, lemma 3.2), for rows x_i sqrt(w_i).
 */
function ledoitWolf(centred: Matrix, covariance: Float64Array, weights: Float64Array): number {
  const d = centred.columns
  const total = weights.reduce((a, b) => a + b, 0)
  let trace = 0
  let square = 0
  for (let j = 0; j < d; j++) trace += covariance[j * d + j]!
  for (const v of covariance) square += v * v
  const spread = square - (trace * trace) / d
  if (!(spread > 0)) return 1
  let fourth = 0
  for (let i = 0; i < centred.rows; i++) {
    if (weights[i] === 0) continue
    const length = row(centred, i).reduce((sum, v) => sum + v * v, 0)
    fourth += (length * length) / weights[i]!
  }
  const noise = (fourth / total - square) / total
  return Math.max(0, Math.min(1, noise / spread))
}

/** (1 - a) S + a trace(S) / D I; the identity where the samples do not vary within their classes. */
function shrunk(covariance: Float64Array, d: number, shrinkage: number): Float64Array {
  let trace = 0
  for (let j = 0; j < d; j++) trace += covariance[j * d + j]!
  const scale = trace > 0 ? trace / d : 1
  const out = covariance.map((v) => (1 - shrinkage) * v)
  // A floor for rounding: constant features leave zeros on the diagonal.
  const added = Math.max(trace > 0 ? shrinkage : 1, 1e-6) * scale
  for (let j = 0; j < d; j++) out[j * d + j] = out[j * d + j]! + added
  return out
}

/** |L⁻¹ (x - mu_c)|², smallest over classes. */
function distances(features: Matrix, scaling: Standardiser, means: Matrix, factor: Float64Array): Float64Array {
  const d = means.columns
  const centres = Array.from({ length: means.rows }, (_, c) => forward(factor, row(means, c), d))
  const x = standardise(features, scaling)
  return Float64Array.from({ length: x.rows }, (_, i) => {
    const point = forward(factor, row(x, i), d)
    let least = Number.POSITIVE_INFINITY
    for (const centre of centres) {
      let sum = 0
      for (let j = 0; j < d; j++) sum += (point[j]! - centre[j]!) ** 2
      least = Math.min(least, sum)
    }
    return least
  })
}

/** L⁻¹ b by forward substitution. */
function forward(factor: Float64Array, b: ArrayLike<number>, n: number): Float64Array {
  const x = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    let sum = b[i]!
    for (let k = 0; k < i; k++) sum -= factor[i * n + k]! * x[k]!
    x[i] = sum / factor[i * n + i]!
  }
  return x
}
