import { argmaxRows, takeRows } from '../../base/matrix.js'
import { squaredDistances } from '../shift/distances.js'
import { someIndices } from './someRows.js'
import { judgedFeatures, type Validator } from './validator.js'

/**
 * Mean silhouette of the predicted classes in the target's features: (b - a) / max(a, b) with a a sample's mean Euclidean distance
 * to the others of its class and b the least mean distance to those of another (Rousseeuw 1987); 0 for a class of one. Undefined
 * where only one class is predicted. At most 1,000 samples are looked at.
 */
export const classClusters: Validator = {
  name: 'class-clusters',
  title: 'silhouette of the predicted classes in the target features',
  paper:
    'Musgrave, Belongie, Lim 2022, Three New Validators and a Large-Scale Benchmark Ranking for UDA, arXiv 2208.07360',
  score: (candidate, _, context) => {
    const { target } = judgedFeatures(candidate, context)
    const chosen = someIndices(target.rows, 1000, context.random.fork('class-clusters'))
    const predictions = argmaxRows(takeRows(candidate.target.logits, chosen))
    return silhouette(
      squaredDistances(takeRows(target, chosen)).map(Math.sqrt),
      predictions,
      candidate.target.logits.columns,
    )
  },
}

/** Mean silhouette of labels 0 ... classes - 1 for distances (N, N). */
export function silhouette(distances: Float32Array, labels: ArrayLike<number>, classes: number): number | undefined {
  const n = labels.length
  const counts = new Int32Array(classes)
  for (let i = 0; i < n; i++) counts[labels[i]!] = counts[labels[i]!]! + 1
  if (counts.filter((c) => c > 0).length < 2) return undefined
  let total = 0
  const sums = new Float64Array(classes)
  for (let i = 0; i < n; i++) {
    const own = labels[i]!
    if (counts[own] === 1) continue
    sums.fill(0)
    for (let j = 0; j < n; j++) sums[labels[j]!] = sums[labels[j]!]! + distances[i * n + j]!
    const a = sums[own]! / (counts[own]! - 1)
    let b = Number.POSITIVE_INFINITY
    for (let k = 0; k < classes; k++) if (k !== own && counts[k]! > 0) b = Math.min(b, sums[k]! / counts[k]!)
    if (Math.max(a, b) > 0) total += (b - a) / Math.max(a, b)
  }
  return total / n
}
