/** The classifier that a model is trained further from: its own rows, and a row for each class that was added. */
import { GraftError } from '../../base/errors.js'
import { type Matrix, matrix, row } from '../../base/matrix.js'
import { sourceHead } from '../../models/sourceHead.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import { featuresAt, labelsOf, outputCount, type Workspace } from './workspace.js'

/** @throws GraftError where the model's own classifier is not linear */
export function keptHead(work: Workspace, positions: Int32Array): LinearHead {
  const { backbone, point } = work.trunk
  const found = sourceHead(backbone.model, backbone.head)
  if (found === undefined || found.weight.dims[1] !== point.width)
    throw new GraftError(`The classifier of ${backbone.name} is not one linear layer, so its classes cannot be kept.`, {
      remedy: 'Train without --keep-classes: the classifier is then fitted anew for the classes of the data.',
    })
  const [rows = 0, columns = 0] = found.weight.dims
  const old: LinearHead = {
    weight: { rows, columns, data: found.weight.data as Float32Array },
    bias: found.bias.data as Float32Array,
  }
  const { features, targets } = featuresAt(work, positions)
  return extendedHead(old, features, labelsOf(targets), outputCount(work))
}

/**
 * Rows for the classes that were added, before the old ones, which stay as they are:
 *
 *     w_c = r (m_c - m) / |m_c - m|       r: mean norm of the old rows
 *     b_c = mean over x of class c of max over old k of (w_k x + b_k)  -  w_c m_c
 *
 * with m_c the mean feature of the class and m that of all samples (0 where the samples are of one class): the scaled mean of
 * Qi, Brown and Lowe 2018 ("Low-Shot Learning with Imprinted Weights", arXiv:1712.07136). On its own samples a new class so
 * starts level with the strongest old one.
 *
 * @param features (N, D)
 * @param labels (N), -1 for unknown
 * @param classes C, the old ones first
 */
export function extendedHead(old: LinearHead, features: Matrix, labels: Int32Array, classes: number): LinearHead {
  const { rows: known, columns } = old.weight
  const weight = matrix(classes, columns)
  weight.data.set(old.weight.data)
  const bias = new Float32Array(classes)
  bias.set(old.bias)
  const present = new Set(labels.filter((label) => label >= 0))
  const all = present.size > 1 ? meanOf(features, (i) => labels[i]! >= 0) : new Float64Array(columns)
  const norms = Array.from({ length: known }, (_, k) => norm(row(old.weight, k)))
  const length = norms.reduce((sum, n) => sum + n, 0) / known
  for (let c = known; c < classes; c++) {
    const mean = meanOf(features, (i) => labels[i] === c)
    const direction = mean.map((value, d) => value - all[d]!)
    const size = norm(direction)
    const own = row(weight, c)
    direction.forEach((value, d) => {
      own[d] = size === 0 ? 0 : (length * value) / size
    })
    bias[c] = strongest(old, features, (i) => labels[i] === c) - dot(own, mean)
  }
  return { weight, bias }
}

function meanOf(features: Matrix, wanted: (i: number) => boolean): Float64Array {
  const sum = new Float64Array(features.columns)
  let count = 0
  for (let i = 0; i < features.rows; i++) {
    if (!wanted(i)) continue
    count++
    row(features, i).forEach((value, d) => {
      sum[d]! += value
    })
  }
  return count === 0 ? sum : sum.map((value) => value / count)
}

/** Mean over samples of the highest old logit. */
function strongest({ weight, bias }: LinearHead, features: Matrix, wanted: (i: number) => boolean): number {
  let [sum, count] = [0, 0]
  for (let i = 0; i < features.rows; i++) {
    if (!wanted(i)) continue
    const x = row(features, i)
    let most = Number.NEGATIVE_INFINITY
    for (let k = 0; k < weight.rows; k++) most = Math.max(most, dot(row(weight, k), x) + bias[k]!)
    sum += most
    count++
  }
  return count === 0 ? 0 : sum / count
}

const norm = (values: ArrayLike<number>): number => Math.sqrt(dot(values, values))

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
