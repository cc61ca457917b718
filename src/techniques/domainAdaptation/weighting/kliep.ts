/** KLIEP: importance that makes the weighted source as like the target as it can be, by the Kullback-Leibler divergence. */
import { type Matrix, takeRows } from '../../../base/matrix.js'
import { squaredDistances } from '../../../evaluate/shift/distances.js'
import { medianSquaredDistance } from '../../../evaluate/shift/kernel.js'
import { commonCoordinates, type ImportanceEstimator, withMeanOne } from './importance.js'

/** Gaussians that the ratio is made of. */
const CENTRES = 100
/** Squared widths that are tried, as multiples of the median squared distance. */
const WIDTHS = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6]
const FOLDS = 5
/** How far the mean log-ratio may stay below its largest value, in nats. */
const GAP = 1e-3
const MOST_ROUNDS = 500

/**
 * w(x) = sum over l of a_l exp(-norm(x - c_l)^2 / s), a >= 0, that maximises the mean of log w over the target with a mean of 1 over the
 * source: the Kullback-Leibler divergence of the target from the weighted source is then smallest (Sugiyama et al. 2008, "Direct Importance
 * Estimation with Model Selection and Its Application to Covariate Shift Adaptation", NIPS). The centres c are up to 100 target
 * samples; s is chosen by the likelihood of target samples that were left out, in five folds.
 */
export const kliep: ImportanceEstimator = (source, target, options) => {
  const places = commonCoordinates(source, target, options)
  const random = options.random.fork('kliep')
  const chosen = random.fork('centres').permutation(target.rows).slice(0, CENTRES).sort()
  const centres = takeRows(places.target, chosen)
  const [toSource, toTarget] = [squaredDistances(places.source, centres), squaredDistances(places.target, centres)]
  const between = medianSquaredDistance(squaredDistances(centres), centres.rows)
  const fold = random
    .fork('folds')
    .permutation(target.rows)
    .map((at) => at % FOLDS)
  const kernels = (width: number) => ({
    atSource: gaussians(toSource, source.rows, centres.rows, width * between),
    atTarget: gaussians(toTarget, target.rows, centres.rows, width * between),
  })
  let best = { width: WIDTHS[0]!, score: Number.NEGATIVE_INFINITY }
  for (const width of target.rows < 2 * FOLDS ? WIDTHS.slice(-1) : WIDTHS) {
    const score = leftOutLikelihood(kernels(width), fold)
    if (score > best.score) best = { width, score }
  }
  const { atSource, atTarget } = kernels(best.width)
  return withMeanOne(valuesOf(atSource, mixture(atTarget, columnMean(atSource)).factors))
}

function gaussians(squared: Float32Array, rows: number, columns: number, width: number): Matrix {
  return { rows, columns, data: squared.map((d) => Math.exp(-d / width)) }
}

/** The mean over folds of the mean log-ratio at the target samples of the fold. */
function leftOutLikelihood({ atSource, atTarget }: { atSource: Matrix; atTarget: Matrix }, fold: Int32Array): number {
  const means = columnMean(atSource)
  let sum = 0
  for (let k = 0; k < FOLDS; k++) {
    const inside: number[] = []
    const outside: number[] = []
    fold.forEach((own, i) => {
      if (own === k) outside.push(i)
      else inside.push(i)
    })
    const { factors } = mixture(takeRows(atTarget, inside), means, 0.02)
    const found = valuesOf(takeRows(atTarget, outside), factors)
    sum += found.reduce((total, w) => total + Math.log(Math.max(w, 1e-30)), 0) / found.length
  }
  return sum / FOLDS
}

/**
 * The a >= 0 that maximise mean over j of log sum over l of K_jl a_l with sum over l of b_l a_l = 1. With q_l = b_l a_l this is a
 * mixture whose shares are sought, and each round of expectation and maximisation,
 * q_l <- q_l g_l with g_l = mean over j of (K_jl / b_l) / w_j, makes it better. Concavity gives a bound: no other q is better by more than
 * max g - 1.
 *
 * @param kernel K, (M, L)
 * @param means b, (L)
 */
export function mixture(kernel: Matrix, means: Float64Array, gap = GAP): { factors: Float64Array; gap: number } {
  const { rows, columns, data } = kernel
  // A centre that no source sample is near would get an infinite factor.
  const usable = means.map((b) => (b > 1e-12 ? 1 : 0))
  const count = usable.reduce((sum, u) => sum + u, 0)
  const shares = usable.map((u) => u / count)
  let left = Number.POSITIVE_INFINITY
  for (let round = 0; round < MOST_ROUNDS && left > gap; round++) {
    const gains = new Float64Array(columns)
    const factors = shares.map((q, l) => (usable[l] === 1 ? q / means[l]! : 0))
    for (let j = 0; j < rows; j++) {
      const at = j * columns
      let w = 0
      for (let l = 0; l < columns; l++) w += data[at + l]! * factors[l]!
      const inverse = 1 / (rows * Math.max(w, 1e-30))
      for (let l = 0; l < columns; l++) gains[l] = gains[l]! + data[at + l]! * inverse
    }
    left = 0
    for (let l = 0; l < columns; l++) {
      if (usable[l] === 0) continue
      const gain = gains[l]! / means[l]!
      left = Math.max(left, gain - 1)
      shares[l] = shares[l]! * gain
    }
    // Of mixtures the shares go on to sum to 1; what is lost is what no centre reaches.
    const total = shares.reduce((sum, q) => sum + q, 0)
    for (let l = 0; l < columns; l++) shares[l] = shares[l]! / total
  }
  return { factors: shares.map((q, l) => (usable[l] === 1 ? q / means[l]! : 0)), gap: left }
}

function columnMean({ rows, columns, data }: Matrix): Float64Array {
  const means = new Float64Array(columns)
  for (let i = 0; i < rows; i++) for (let l = 0; l < columns; l++) means[l] = means[l]! + data[i * columns + l]! / rows
  return means
}

function valuesOf({ rows, columns, data }: Matrix, factors: Float64Array): Float64Array {
  return Float64Array.from({ length: rows }, (_, i) => {
    let w = 0
    for (let l = 0; l < columns; l++) w += data[i * columns + l]! * factors[l]!
    return w
  })
}
