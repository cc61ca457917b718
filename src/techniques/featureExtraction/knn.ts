/** k nearest neighbours by cosine similarity, the reading of features without training (Wu et al. 2018; Caron et al. 2021). */
import { UsageError } from '../../base/errors.js'
import { type Matrix, matrix, row, takeRows } from '../../base/matrix.js'
import {
  type Classifier,
  checkFit,
  countLabels,
  type FitOptions,
  type FittedClassifier,
  weightedTargets,
} from './classifier.js'
import { stratifiedSubset } from './folds.js'
import { type HeadNodes, HeadWriter } from './headNodes.js'
import {
  type Bank,
  NEIGHBOUR_SEARCH,
  NEIGHBOURS,
  nearest,
  normalised,
  TAU,
  vote,
  voteNodes,
  votesOf,
} from './neighbours.js'
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

/** What is added to a class's share of the votes, so that the logarithm of none is finite. */
const FLOOR = 1e-3

interface ClassBank extends Bank {
  readonly labels: Int32Array
}

/**
 * p(c | x) = sum over the k nearest neighbours i of class c of w_i exp(cos(x, x_i) / tau), normalised over the classes.
 * k is chosen by the accuracy with each training sample left out, the largest of equals. Logits are log(p + 0.001) / T with
 * the temperature T that fits the left-out samples.
 */
export function knn(options: KnnOptions = {}): Classifier<FittedKnn> {
  const { neighbours = NEIGHBOURS, tau = TAU } = options
  if (neighbours.length === 0 || !neighbours.every((k) => Number.isInteger(k) && k >= 1))
    throw new UsageError(`k-NN: neighbours are [${neighbours.join(', ')}]; expected whole numbers, 1 or more.`)
  if (!(tau > 0)) throw new UsageError(`k-NN: tau is ${tau}; expected a number above 0.`)
  return {
    name: 'knn',
    async fit(features, labels, classes, fit) {
      checkFit(features, labels, classes, fit)
      const { weights } = weightedTargets(labels, classes, { ...fit, targets: undefined })
      const bank: ClassBank = { features: normalised(features), values: oneHot(labels, classes), labels, weights, tau }
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
        logits: (other) => logShares(votesOf(bank, other, k), temperature),
        nodes: (from, to, prefix) => knnNodes(bank, k, temperature, from, to, prefix),
        outOfFold,
        details: { k, tau, temperature, ...(outOfFold && { accuracy: outOfFold.accuracy }) },
      }
    },
  }
}

function oneHot(labels: Int32Array, classes: number): Matrix {
  const out = matrix(labels.length, classes)
  labels.forEach((label, i) => {
    out.data[i * classes + label] = 1
  })
  return out
}

/** log(share + floor) / T. */
function logShares(shares: Matrix, temperature: number): Matrix {
  return matrix(
    shares.rows,
    shares.columns,
    shares.data.map((share) => Math.log(share + FLOOR) / temperature),
  )
}

/** Leave-one-out logits for the best k. */
async function chooseK(
  bank: ClassBank,
  candidates: readonly number[],
  { engine, random, signal }: FitOptions,
): Promise<{ k: number; logits: Matrix; rows: Int32Array }> {
  const { labels, features, weights } = bank
  const classes = bank.values.columns
  const counts = countLabels(labels, classes)
  const subset = stratifiedSubset(labels, classes, NEIGHBOUR_SEARCH, random.fork('k-nn'))
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
        const logits = row(result.logits, start + r)
        vote(bank, similarities, near.subarray(0, result.k), logits)
        logits.forEach((share, c) => {
          logits[c] = Math.log(share + FLOOR)
        })
        if (argmax(logits) === labels[rows[start + r]!]) result.right++
      }
    }
  }
  await innerProducts(engine, takeRows(features, rows), features, use, signal)
  const best = results.reduce((a, b) => (b.right >= a.right ? b : a))
  return { k: best.k, logits: best.logits, rows }
}

function argmax(values: Float32Array): number {
  let best = 0
  for (let c = 1; c < values.length; c++) if (values[c]! > values[best]!) best = c
  return best
}

function knnNodes(
  bank: Bank,
  k: number,
  temperature: number,
  features: string,
  output: string,
  prefix: string,
): HeadNodes {
  const w = new HeadWriter(prefix)
  const share = voteNodes(w, bank, k, features)
  const log = w.op('Log', [w.op('Add', [share, w.floats('floor', [1], [FLOOR])], {}, 'floored')], {}, 'log')
  w.op('Div', [log, w.floats('temperature', [1], [temperature])], {}, `=${output}`)
  return w
}
