/** Whether samples that lie near each other are given the same class. */
import { type Matrix, row } from '../../base/matrix.js'

/** The k nearest other rows of each row by Euclidean distance, (N, k) row-major; fewer where there are fewer rows. */
export function nearestRows(features: Matrix, k = 10): { readonly k: number; readonly rows: Int32Array } {
  const n = features.rows
  const width = Math.min(k, n - 1)
  const out = new Int32Array(n * width)
  const distances = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    const a = row(features, i)
    for (let j = 0; j < n; j++) {
      const b = row(features, j)
      let sum = 0
      for (let c = 0; c < a.length; c++) sum += (a[c]! - b[c]!) ** 2
      distances[j] = j === i ? Number.POSITIVE_INFINITY : sum
    }
    // The nearest few by insertion: sorting all rows for each row would take longer than the distances.
    let filled = 0
    for (let j = 0; j < n; j++) {
      if (j === i || (filled === width && distances[j]! >= distances[out[i * width + width - 1]!]!)) continue
      let at = filled < width ? filled++ : width - 1
      while (at > 0 && distances[out[i * width + at - 1]!]! > distances[j]!) {
        out[i * width + at] = out[i * width + at - 1]!
        at--
      }
      out[i * width + at] = j
    }
  }
  return { k: width, rows: out }
}

/** Share of each row's neighbours that have its class, (N). */
export function neighbourAgreement(
  neighbours: { readonly k: number; readonly rows: Int32Array },
  labels: ArrayLike<number>,
): Float64Array {
  const { k, rows } = neighbours
  return Float64Array.from({ length: labels.length }, (_, i) => {
    let same = 0
    for (let j = 0; j < k; j++) if (labels[rows[i * k + j]!] === labels[i]) same++
    return k > 0 ? same / k : 0
  })
}

/**
 * Cohen's kappa of neighbours' classes, (observed - chance) / (1 - chance): the observed share of neighbours with one's class, and the share that it would be
 * if classes of these sizes were dealt out at random. 0 where all samples have one class.
 */
export function cohesion(
  agreement: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
  weights: ArrayLike<number>,
): number {
  let observed = 0
  const shares = new Float64Array(classes)
  for (let i = 0; i < labels.length; i++) {
    observed += weights[i]! * agreement[i]!
    shares[labels[i]!] = shares[labels[i]!]! + weights[i]!
  }
  const chance = shares.reduce((sum, s) => sum + s * s, 0)
  return chance < 1 - 1e-9 ? (observed - chance) / (1 - chance) : 0
}
