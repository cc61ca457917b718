/** Features brought to mean 0 and deviation 1, and linear heads brought back to the raw features. */
import { type Matrix, matrix } from '../../base/matrix.js'
import type { LinearHead } from './classifier.js'

export interface Standardiser {
  /** Mean of each feature, (D). */
  readonly mean: Float64Array
  /** 1 / deviation of each feature, (D); 0 for a feature that is constant, which carries nothing. */
  readonly scale: Float64Array
}

/** Deviations below this share of the feature's magnitude are rounding, not information. */
const CONSTANT = 1e-6

/**
 * Weighted mean of each feature of (N, D), and 1 / sqrt(v_j + floor * mean(v)) with v the population variances.
 *
 * A floor above 0 keeps features that hardly vary in the training samples from being blown up in others, where they may
 * vary: with few samples that costs many points of accuracy.
 */
export function standardiser(features: Matrix, weights?: ArrayLike<number>, floor = 0): Standardiser {
  const { rows, columns, data } = features
  const mean = new Float64Array(columns)
  const variance = new Float64Array(columns)
  const largest = new Float64Array(columns)
  let total = 0
  for (let i = 0; i < rows; i++) {
    const w = weights?.[i] ?? 1
    total += w
    for (let j = 0; j < columns; j++) mean[j] = mean[j]! + w * data[i * columns + j]!
  }
  for (let j = 0; j < columns; j++) mean[j] = total > 0 ? mean[j]! / total : 0
  for (let i = 0; i < rows; i++) {
    const w = weights?.[i] ?? 1
    for (let j = 0; j < columns; j++) {
      const d = data[i * columns + j]! - mean[j]!
      variance[j] = variance[j]! + w * d * d
      largest[j] = Math.max(largest[j]!, Math.abs(data[i * columns + j]!))
    }
  }
  let added = 0
  for (let j = 0; j < columns; j++) {
    variance[j] = total > 0 ? variance[j]! / total : 0
    added += (floor * variance[j]!) / columns
  }
  const scale = variance.map((v, j) => (Math.sqrt(v) > CONSTANT * largest[j]! ? 1 / Math.sqrt(v + added) : 0))
  return { mean, scale }
}

/** (x - mean) * scale, row by row. */
export function standardise(features: Matrix, { mean, scale }: Standardiser): Matrix {
  const { rows, columns, data } = features
  const out = matrix(rows, columns)
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) out.data[i * columns + j] = (data[i * columns + j]! - mean[j]!) * scale[j]!
  return out
}

/** The head on raw features that equals `head` on standardised ones: W' = W diag(scale), b' = b - W' mean. */
export function foldBack({ weight, bias }: LinearHead, { mean, scale }: Standardiser): LinearHead {
  const folded = matrix(weight.rows, weight.columns)
  const shifted = new Float32Array(bias.length)
  for (let c = 0; c < weight.rows; c++) {
    let shift = 0
    for (let j = 0; j < weight.columns; j++) {
      const w = weight.data[c * weight.columns + j]! * scale[j]!
      folded.data[c * weight.columns + j] = w
      shift += w * mean[j]!
    }
    shifted[c] = bias[c]! - shift
  }
  return { weight: folded, bias: shifted }
}
