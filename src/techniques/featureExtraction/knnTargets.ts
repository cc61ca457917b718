/** k nearest neighbours for several labels a sample, and for a number. */
import { UsageError } from '../../base/errors.js'
import { type Matrix, matrix, row, takeRows } from '../../base/matrix.js'
import type { MultiLabelTargets, NumberTargets } from '../../data/targets.js'
import { checkFeatures, type FittedHead, type HeadOptions, type HeldOutLogits } from './head.js'
import { HeadWriter } from './headNodes.js'
import type { KnnOptions } from './knn.js'
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
import { scaledLabels, scaleLabels } from './plattScaling.js'
import { innerProducts } from './products.js'
import { microF1, rSquared } from './scores.js'

export interface FittedNeighbours extends FittedHead {
  readonly k: number
}

/** What is added to the share of a label and to that of its absence, so that their logarithms are finite. */
const FLOOR = 1e-3

/**
 * p_c = the votes of the k nearest neighbours that have label c over all votes, a vote being w_i exp(cos(x, x_i) / tau). k has
 * the lowest log-loss with each training sample left out. Logits are a_c log((p + 0.001) / (1 - p + 0.001)) + b_c with the
 * scale and shift that fit the left-out samples (Platt 1999).
 */
export async function fitKnnLabels(
  features: Matrix,
  targets: MultiLabelTargets,
  fit: HeadOptions,
  options: KnnOptions = {},
): Promise<FittedNeighbours> {
  const classes = targets.classes.length
  const values = matrix(features.rows, classes, Float32Array.from(targets.labels))
  const bank = bankOf(features, values, fit, options)
  const loss = (shares: Float32Array, own: Float32Array) =>
    shares.reduce((sum, p, c) => sum - Math.log((own[c] === 1 ? p : 1 - p) + FLOOR), 0)
  const { k, rows, votes } = await chooseK(bank, fit, options, loss)
  const held = matrix(votes.rows, classes, votes.data.map(logOdds))
  const truth = takeRows(values, rows).data
  const scaling = scaleLabels(
    held,
    truth,
    Float64Array.from(rows, (i) => bank.weights[i]!),
  )
  return {
    name: 'knn',
    kind: 'multi-label',
    outputs: classes,
    dimensions: features.columns,
    k,
    logits(other) {
      const shares = votesOf(bank, other, k)
      return scaledLabels(matrix(shares.rows, classes, shares.data.map(logOdds)), scaling)
    },
    nodes(from, to, prefix) {
      const w = new HeadWriter(prefix)
      const share = voteNodes(w, bank, k, from)
      const floor = w.floats('floor', [1], [FLOOR])
      const absent = w.op('Sub', [w.floats('whole', [1], [1]), share], {}, 'absent')
      const has = w.op('Add', [share, floor], {}, 'has')
      const not = w.op('Add', [absent, floor], {}, 'not')
      const odds = w.op('Log', [w.op('Div', [has, not], {}, 'odds')], {}, 'logOdds')
      const scale = w.floats('scale', [classes], [...scaling.scale])
      const shift = w.floats('shift', [classes], [...scaling.shift])
      w.op('Add', [w.op('Mul', [odds, scale], {}, 'scaled.odds'), shift], {}, `=${to}`)
      return w
    },
    outOfFold: heldOut(rows, scaledLabels(held, scaling), truth),
    warnings: [],
    details: { k, tau: bank.tau },
  }
}

const heldOut = (rows: Int32Array, logits: Matrix, truth: Float32Array): HeldOutLogits => ({
  rows,
  logits,
  score: microF1(logits, truth),
  measure: 'micro F1',
})

const logOdds = (p: number): number => Math.log((p + FLOOR) / (1 - p + FLOOR))

/** The mean of the k nearest neighbours' numbers, weighted by their votes; k by the squared error of leave-one-out. */
export async function fitKnnNumber(
  features: Matrix,
  targets: NumberTargets,
  fit: HeadOptions,
  options: KnnOptions = {},
): Promise<FittedNeighbours> {
  const values = matrix(features.rows, 1, Float32Array.from(targets.values))
  const bank = bankOf(features, values, fit, options)
  const { k, rows, votes } = await chooseK(bank, fit, options, (found, own) => (found[0]! - own[0]!) ** 2)
  const truth = takeRows(values, rows).data
  const own = Float64Array.from(rows, (i) => bank.weights[i]!)
  const score = rSquared(votes.data, truth, own)
  return {
    name: 'knn',
    kind: 'number',
    outputs: 1,
    dimensions: features.columns,
    k,
    logits: (other) => votesOf(bank, other, k),
    nodes(from, to, prefix) {
      const w = new HeadWriter(prefix)
      w.op('Identity', [voteNodes(w, bank, k, from)], {}, `=${to}`)
      return w
    },
    outOfFold: { rows, logits: votes, score, measure: 'R2' },
    warnings: [],
    details: { k, tau: bank.tau, R2: score },
  }
}

function bankOf(features: Matrix, values: Matrix, fit: HeadOptions, { neighbours, tau = TAU }: KnnOptions): Bank {
  if (neighbours !== undefined && (neighbours.length === 0 || !neighbours.every((k) => Number.isInteger(k) && k >= 1)))
    throw new UsageError(`k-NN: neighbours are [${neighbours.join(', ')}]; expected whole numbers, 1 or more.`)
  if (!(tau > 0)) throw new UsageError(`k-NN: tau is ${tau}; expected a number above 0.`)
  checkFeatures(features, values.rows, fit.weights)
  if (features.rows < 2) throw new UsageError(`k-NN: ${features.rows} sample; expected at least two.`)
  const weights = Float64Array.from({ length: features.rows }, (_, i) => fit.weights?.[i] ?? 1)
  return { features: normalised(features), values, weights, tau }
}

/** The k with the lowest mean loss of the votes for samples that are left out, and those votes; of equals the largest. */
async function chooseK(
  bank: Bank,
  { engine, random, signal }: HeadOptions,
  { neighbours = NEIGHBOURS }: KnnOptions,
  loss: (votes: Float32Array, own: Float32Array) => number,
): Promise<{ k: number; rows: Int32Array; votes: Matrix }> {
  const count = bank.features.rows
  const candidates = [...new Set(neighbours.map((k) => Math.min(k, count - 1)))].sort((a, b) => a - b)
  const drawn = random.fork('k-nn').permutation(count).slice(0, NEIGHBOUR_SEARCH).sort()
  const rows = drawn.filter((i) => bank.weights[i]! > 0)
  const results = candidates.map((k) => ({ k, loss: 0, votes: matrix(rows.length, bank.values.columns) }))
  const most = candidates.at(-1)!
  const use = (products: Matrix, start: number) => {
    for (let r = 0; r < products.rows; r++) {
      const i = rows[start + r]!
      const similarities = row(products, r)
      const near = nearest(similarities, most, i)
      for (const result of results) {
        const votes = row(result.votes, start + r)
        vote(bank, similarities, near.subarray(0, result.k), votes)
        result.loss += bank.weights[i]! * loss(votes, row(bank.values, i))
      }
    }
  }
  await innerProducts(engine, takeRows(bank.features, rows), bank.features, use, signal)
  const best = results.reduce((a, b) => (b.loss <= a.loss ? b : a))
  return { k: best.k, rows, votes: best.votes }
}
