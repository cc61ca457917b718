/** Labels of unlabelled samples by the centroids of their features. */
import { argmaxRows, type Matrix, row } from '../../base/matrix.js'

/**
 * Pseudo-labels of SHOT, f_n being made of length 1: centroids c_k = sum over n of p_nk f_n / sum over n of p_nk, each sample
 * labelled by the nearest by cosine; then centroids as means of the samples so labelled, and the labels by them (Liang, Hu and Feng 2020, "Do We Really Need to
 * Access the Source Data? Source Hypothesis Transfer for Unsupervised Domain Adaptation", arXiv:2002.08546). A class that is
 * predicted for fewer than `least` samples has no centroid.
 *
 * @param features f, (N, D)
 * @param probabilities p, (N, C)
 * @param least @default 1
 * @returns (N), classes
 */
export function centroidLabels(features: Matrix, probabilities: Matrix, least = 1): Int32Array {
  const { columns: classes } = probabilities
  const counts = new Int32Array(classes)
  for (const label of argmaxRows(probabilities)) counts[label]!++
  const allowed = Array.from(counts.keys()).filter((c) => counts[c]! >= least)
  const units = Array.from({ length: features.rows }, (_, n) => unit(row(features, n)))
  const first = nearest(
    units,
    centroids(units, allowed, (n, c) => probabilities.data[n * classes + c]!),
    allowed,
  )
  return nearest(
    units,
    centroids(units, allowed, (n, c) => (first[n] === c ? 1 : 0)),
    allowed,
  )
}

function centroids(
  units: readonly Float64Array[],
  classes: readonly number[],
  weight: (n: number, c: number) => number,
): Float64Array[] {
  const width = units[0]?.length ?? 0
  return classes.map((c) => {
    const sum = new Float64Array(width)
    units.forEach((own, n) => {
      const w = weight(n, c)
      if (w !== 0) for (let d = 0; d < width; d++) sum[d] = sum[d]! + w * own[d]!
    })
    // Only directions are compared, so the sum serves as well as the mean.
    return unit(sum)
  })
}

function nearest(
  units: readonly Float64Array[],
  centres: readonly Float64Array[],
  classes: readonly number[],
): Int32Array {
  return Int32Array.from(units, (own) => {
    let best = 0
    let most = Number.NEGATIVE_INFINITY
    centres.forEach((centre, k) => {
      let cosine = 0
      for (let d = 0; d < own.length; d++) cosine += own[d]! * centre[d]!
      if (cosine > most) {
        most = cosine
        best = k
      }
    })
    return classes[best]!
  })
}

function unit(vector: ArrayLike<number>): Float64Array {
  let square = 0
  for (let d = 0; d < vector.length; d++) square += vector[d]! ** 2
  const length = Math.max(Math.sqrt(square), 1e-12)
  return Float64Array.from(vector, (v) => v / length)
}
