/** Four scores of how unlike anything seen in training a sample is; higher is less alike. */
import { type Matrix, row, softmaxRows } from '../../base/matrix.js'
import { type ClassGaussians, nearestClassDistances } from './classDistances.js'
import { coordinatesOf } from './coordinates.js'
import { squaredDistances } from './distances.js'
import type { PrincipalAxes } from './principalAxes.js'

export type OutlierScore = 'max-softmax' | 'energy' | 'mahalanobis' | 'nearest-neighbours'

/** The scores and what each is. */
export const OUTLIER_SCORES: Readonly<Record<OutlierScore, { readonly title: string; readonly paper: string }>> = {
  'max-softmax': {
    title: '1 - the largest probability',
    paper:
      'Hendrycks, Gimpel 2017, A Baseline for Detecting Misclassified and Out-of-Distribution Examples, arXiv 1610.02136',
  },
  energy: {
    title: 'free energy, -log sum exp(logits)',
    paper: 'Liu, Wang, Owens, Li 2020, Energy-based Out-of-distribution Detection, arXiv 2010.03759',
  },
  mahalanobis: {
    title: 'squared Mahalanobis distance to the nearest class mean',
    paper:
      'Lee, Lee, Lee, Shin 2018, A Simple Unified Framework for Detecting Out-of-Distribution Samples, arXiv 1807.03888',
  },
  'nearest-neighbours': {
    title: 'distance to the fifth nearest training sample',
    paper: 'Sun, Ming, Zhu, Li 2022, Out-of-Distribution Detection with Deep Nearest Neighbors, arXiv 2204.06507',
  },
}

/** Which neighbour's distance counts. */
const NEIGHBOUR = 5

/** 1 - max softmax(logits), (N). */
export function maxSoftmaxScores(logits: Matrix): Float64Array {
  const p = softmaxRows(logits)
  return Float64Array.from({ length: p.rows }, (_, i) => 1 - Math.max(...row(p, i)))
}

/** -log sum_k exp(z_k), (N). */
export function energyScores(logits: Matrix): Float64Array {
  return Float64Array.from({ length: logits.rows }, (_, i) => {
    const z = row(logits, i)
    let max = Number.NEGATIVE_INFINITY
    for (const v of z) max = Math.max(max, v)
    let sum = 0
    for (const v of z) sum += Math.exp(v - max)
    return -(max + Math.log(sum))
  })
}

/**
 * Euclidean distance to the fifth nearest of the kept samples; the farthest where fewer are kept. The paper scales features to length 1;
 * these are centred coordinates, whose length says how far out a sample is, and are left as they are.
 */
export function neighbourScores(coordinates: Matrix, kept: Matrix): Float64Array {
  const place = Math.min(NEIGHBOUR, kept.rows) - 1
  const squared = squaredDistances(coordinates, kept)
  return Float64Array.from({ length: coordinates.rows }, (_, i) =>
    Math.sqrt(squared.subarray(i * kept.rows, (i + 1) * kept.rows).sort()[place]!),
  )
}

/** What the scores compare with. */
export interface SeenFeatures {
  readonly axes: PrincipalAxes
  /** Coordinates of seen samples, (R, K + 1). */
  readonly reservoir: Matrix
  readonly gaussians: ClassGaussians
}

/** Each score of the samples, (N); those of logits where there are logits. */
export function outlierScores(
  statistics: SeenFeatures,
  { features, logits }: { readonly features: Matrix; readonly logits?: Matrix },
): Partial<Record<OutlierScore, Float64Array>> {
  const coordinates = coordinatesOf(features, statistics.axes)
  return {
    ...(logits && { 'max-softmax': maxSoftmaxScores(logits), energy: energyScores(logits) }),
    mahalanobis: nearestClassDistances(coordinates, statistics.gaussians),
    'nearest-neighbours': neighbourScores(coordinates, statistics.reservoir),
  }
}
