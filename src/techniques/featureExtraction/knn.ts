/** k nearest neighbours by cosine similarity, the reading of features without training (Wu et al. 2018; Caron et al. 2021). */
import { UsageError } from '../../base/errors.js'
import { type Matrix, matrix, row, takeRows } from '../../base/matrix.js'
import { attr } from '../../graph/graph.js'
import {
  type Classifier,
  checkFit,
  countLabels,
  type FitOptions,
  type FittedClassifier,
  inner,
  weightedTargets,
} from './classifier.js'
import { stratifiedSubset } from './folds.js'
import { type HeadNodes, HeadWriter } from './headNodes.js'
import { heldOutRows, heldOutTemperature, outOfFoldOf } from './outOfFold.js'
import { innerProducts } from './products.js'

export interface KnnOptions {
  /** Candidates for k; the best by leave-one-out is taken. @default 1, 3, 5, 10, 20, 50, 100 */
  readonly neighbours?: readonly number[]
  /** Temperature of the votes. @default 0.07 */
  readonly tau?: number
}

export interface FittedKnn extends FittedClassifier {
  readonly k: number
  readonly temperature: number
}

const CANDIDATES = [1, 3, 5, 10, 20, 50, 100]
/** Samples that k is chosen on, where there are more. */
const SEARCH_SAMPLES = 2000
/** What is added to a class's share of the votes, so that the logarithm of none is finite. */
const FLOOR = 1e-3

interface Bank {
  /** Normalised features, (B, D). */
  readonly features: Matrix
  readonly labels: Int32Array
  readonly weights: Float64Array
  readonly classes: number
  readonly tau: number
}

/**
 * p(c | x) = sum over the k nearest neighbours i of class c of w_i exp(cos(x, x_i) / tau), normalised over the classes.
 * k is chosen by the accuracy with each training sample left out, the largest of equals. Logits are log(p + 0.001) / T with
 * the temperature T that fits the left-out samples.
 */
export function knn(options: KnnOptions = {}): Classifier<FittedKnn> {
  const { neighbours = CANDIDATES, tau = 0.07 } = options
  if (neighbours.length === 0 || !neighbours.every((k) => Number.isInteger(k) && k >= 1))
    throw new UsageError(`k-NN: neighbours are [${neighbours.join(', ')}]; expected whole numbers, 1 or more.`)
  if (!(tau > 0)) throw new UsageError(`k-NN: tau is ${tau}; expected a number above 0.`)
  return {
    name: 'knn',
    async fit(features, labels, classes, fit) {
      checkFit(features, labels, classes, fit)
      const { weights } = weightedTargets(labels, classes, { ...fit, targets: undefined })
      const bank: Bank = { features: normalised(features), labels, weights, classes, tau }
      const allowed = [...new Set(neighbours.map((k) => Math.min(k, labels.length - 1)))].sort((a, b) => a - b)
      const { k, logits, rows } = await chooseK(bank, allowed, fit)
      const temperature = heldOutTemperature(
        logits,
        rows.map((i) => labels[i]!),
        'as is',
      )
      const outOfFold = outOfFoldOf(logits, rows, labels, temperature)
      return {
        name: 'knn',
        classes,
        dimensions: features.columns,
        k,
        temperature,
        logits: (other) => logitsOf(bank, normalised(other), k, temperature),
        nodes: (from, to, prefix) => knnNodes(bank, k, temperature, from, to, prefix),
        outOfFold,
        details: { k, tau, temperature, ...(outOfFold && { accuracy: outOfFold.accuracy }) },
      }
    },
  }
}

/** Rows divided by their length; a row of zeros stays. */
function normalised(m: Matrix): Matrix {
  const out = matrix(m.rows, m.columns)
  for (let i = 0; i < m.rows; i++) {
    const x = row(m, i)
    const length = Math.max(Math.sqrt(inner(x, x)), 1e-12)
    for (let j = 0; j < x.length; j++) out.data[i * m.columns + j] = x[j]! / length
  }
  return out
}

/** Leave-one-out logits for the best k. */
async function chooseK(
  bank: Bank,
  candidates: readonly number[],
  { engine, random, signal }: FitOptions,
): Promise<{ k: number; logits: Matrix; rows: Int32Array }> {
  const { labels, classes, features, weights } = bank
  const counts = countLabels(labels, classes)
  const subset = stratifiedSubset(labels, classes, SEARCH_SAMPLES, random.fork('k-nn'))
  const rows = heldOutRows(subset.length, (i) => counts[labels[subset[i]!]!]! > 1 && weights[subset[i]!]! > 0).map(
    (i) => subset[i]!,
  )
  const results = candidates.map((k) => ({ k, right: 0, logits: matrix(rows.length, classes) }))
  const most = candidates.at(-1)!
  const use = (products: Matrix, start: number) => {
    for (let r = 0; r < products.rows; r++) {
      const similarities = row(products, r)
      const near = nearest(similarities, most, rows[start + r]!)
      for (const result of results) {
        const logits = result.logits.data.subarray((start + r) * classes, (start + r + 1) * classes)
        vote(bank, similarities, near.subarray(0, result.k), logits)
        if (argmax(logits) === labels[rows[start + r]!]) result.right++
      }
    }
  }
  await innerProducts(engine, takeRows(features, rows), features, use, signal)
  const best = results.reduce((a, b) => (b.right >= a.right ? b : a))
  return { k: best.k, logits: best.logits, rows }
}

/** Positions of the largest similarities, nearest first; of equals the earlier one. */
function nearest(similarities: Float32Array, count: number, except = -1): Int32Array {
  const found = new Int32Array(Math.min(count, similarities.length - (except >= 0 ? 1 : 0)))
  let used = 0
  for (let i = 0; i < similarities.length; i++) {
    const value = similarities[i]!
    if (i === except || (used === found.length && value <= similarities[found[used - 1]!]!)) continue
    let at = used < found.length ? used++ : used - 1
    while (at > 0 && similarities[found[at - 1]!]! < value) {
      found[at] = found[at - 1]!
      at--
    }
    found[at] = i
  }
  return found
}

/** log(share of the votes + floor), with cos - 1 in the exponent, which cannot overflow. */
function vote(
  { labels, weights, tau }: Bank,
  similarities: Float32Array,
  near: Int32Array,
  logits: Float32Array,
): void {
  logits.fill(0)
  let total = 0
  for (const i of near) {
    const v = weights[i]! * Math.exp((similarities[i]! - 1) / tau)
    logits[labels[i]!] = logits[labels[i]!]! + v
    total += v
  }
  for (let c = 0; c < logits.length; c++) logits[c] = Math.log(logits[c]! / Math.max(total, 1e-30) + FLOOR)
}

function argmax(values: Float32Array): number {
  let best = 0
  for (let c = 1; c < values.length; c++) if (values[c]! > values[best]!) best = c
  return best
}

function logitsOf(bank: Bank, queries: Matrix, k: number, temperature: number): Matrix {
  const out = matrix(queries.rows, bank.classes)
  const similarities = new Float32Array(bank.features.rows)
  for (let q = 0; q < queries.rows; q++) {
    const x = row(queries, q)
    for (let i = 0; i < similarities.length; i++) similarities[i] = inner(x, bank.features.data, i * x.length)
    vote(bank, similarities, nearest(similarities, k), row(out, q))
  }
  for (let i = 0; i < out.data.length; i++) out.data[i] = out.data[i]! / temperature
  return out
}

/** The same in ONNX, opset 11 and up. Sums are products with ones, whose form no opset changed. */
function knnNodes(
  bank: Bank,
  k: number,
  temperature: number,
  features: string,
  output: string,
  prefix: string,
): HeadNodes {
  const { classes, tau, labels, weights } = bank
  const d = bank.features.columns
  const b = bank.features.rows
  const w = new HeadWriter(prefix)
  const transposed = new Float32Array(d * b)
  for (let i = 0; i < b; i++) for (let j = 0; j < d; j++) transposed[j * b + i] = bank.features.data[i * d + j]!
  const oneHot = new Float32Array(b * classes)
  labels.forEach((label, i) => {
    oneHot[i * classes + label] = weights[i]!
  })
  const squares = w.op('Mul', [features, features], {}, 'squares')
  const square = w.op('MatMul', [squares, w.floats('ones', [d, 1], new Float32Array(d).fill(1))], {}, 'square')
  const length = w.op('Max', [w.op('Sqrt', [square], {}, 'root'), w.floats('tiny', [1], [1e-12])], {}, 'length')
  const unit = w.op('Div', [features, length], {}, 'unit')
  const similarity = w.op('MatMul', [unit, w.floats('bank', [d, b], transposed)], {}, 'similarity')
  const near = w.op('TopK', [similarity, w.ints('k', [k])], { axis: attr.int(-1) }, 'near', 'neighbours')
  const shifted = w.op('Sub', [near, w.floats('one', [1], [1])], {}, 'shifted')
  const votes = w.op('Exp', [w.op('Div', [shifted, w.floats('tau', [1], [tau])], {}, 'scaled')], {}, 'votes')
  const votesRow = w.op('Reshape', [votes, w.ints('votes.shape', [0, 1, k])], {}, 'votes.row')
  const labelRows = [w.floats('labels', [b, classes], oneHot), `${prefix}neighbours`]
  const chosen = w.op('Gather', labelRows, { axis: attr.int(0) }, 'chosen')
  const product = w.op('MatMul', [votesRow, chosen], {}, 'summed')
  const byClass = w.op('Reshape', [product, w.ints('class.shape', [0, classes])], {}, 'byClass')
  const all = w.op(
    'MatMul',
    [byClass, w.floats('classOnes', [classes, 1], new Float32Array(classes).fill(1))],
    {},
    'all',
  )
  const total = w.op('Max', [all, w.floats('least', [1], [1e-30])], {}, 'total')
  const share = w.op('Div', [byClass, total], {}, 'share')
  const log = w.op('Log', [w.op('Add', [share, w.floats('floor', [1], [FLOOR])], {}, 'floored')], {}, 'log')
  w.op('Div', [log, w.floats('temperature', [1], [temperature])], {}, `=${output}`)
  return w
}
