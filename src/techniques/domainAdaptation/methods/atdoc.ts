/** ATDOC: target samples take the label that their nearest neighbours in the target say. */

import { UsageError } from '../../../base/errors.js'
import { type Matrix, matrix, row, softmaxRows, takeRows } from '../../../base/matrix.js'
import { softmaxCrossEntropy } from '../../../losses/crossEntropy.js'
import { shares } from '../../../losses/weighted.js'
import type { Engine } from '../../../runtime/engine.js'
import { floats } from '../../../runtime/types.js'
import { nearest } from '../../featureExtraction/neighbours.js'
import { innerProducts } from '../../featureExtraction/products.js'
import { blocksOf } from '../../fineTuning/domains.js'
import { targetDomain } from '../checks.js'
import { type AdaptationMethod, asTerm, classFeatures, sidesWithTarget } from '../method.js'
import { checkWeight, type RampedWeight, rampedWeight } from './targetTerm.js'

export interface AtdocOptions extends RampedWeight {
  /** m, the neighbours that are asked. @default 5 */
  readonly neighbours?: number
}

/** Target samples that neighbours are sought among; more are drawn anew each epoch. */
const MOST = 4000

/**
 * L + weight r sum over target rows of (s_n / sum s) CE(z_n, y_n), y_n = argmax and s_n = max of the mean over the m nearest target samples
 * (cosine of features, itself left out) of q, q being their predictions squared, divided by each class's sum over the target, and by
 * their own sum: sure, and even over the classes (Liang, Hu and Feng 2021, "Domain Adaptation with Auxiliary Target Domain-Oriented
 * Classifier", arXiv:2007.04171, neighbourhood aggregation). The paper renews the memory of features and predictions at every step; here
 * it is made anew at the start of each epoch, from the weights of that moment.
 */
export function atdoc(options: AtdocOptions = {}): AdaptationMethod {
  const { weight = 1, ramp = true, neighbours = 5 } = options
  const name = 'atdoc'
  const title = 'ATDOC'
  checkWeight(title, weight)
  if (!Number.isInteger(neighbours) || neighbours < 1)
    throw new UsageError(`ATDOC: neighbours is ${neighbours}; expected 1 or more.`)
  return {
    name,
    title,
    paper:
      'Liang, Hu and Feng 2021, Domain Adaptation with Auxiliary Target Domain-Oriented Classifier, arXiv:2007.04171',
    needs: ['features'],
    weighs: true,
    options: { weight, ramp, neighbours },
    prepare(context) {
      const { train, settings, objective } = context
      const { value } = classFeatures(context, title)
      const target = targetDomain(train, title)
      const classes = objective.outputs
      const block = blocksOf(train.domains ?? [], settings.batch).find((own) => own.name === target.name)!
      return {
        name,
        values: [value],
        async epoch({ outputs, random }) {
          const { logits, features } = await outputs(target.source)
          const n = target.length
          const among = random.permutation(n).slice(0, MOST).sort()
          const said = balanced(softmaxRows(logits))
          const answers = await neighbourhoodAnswers(context.engine, features, said, neighbours, among)
          return { answers: floats([n, classes], answers.data) }
        },
        feeds({ kept, batch }) {
          const answers = kept.answers?.data as Float32Array
          const labels = new Float32Array(block.rows * classes)
          const sureness = new Float32Array(block.rows)
          for (let i = 0; i < block.rows; i++) {
            const sample = batch.samples[block.start + i]! - target.first
            const said = answers.subarray(sample * classes, (sample + 1) * classes)
            const best = said.reduce((top, v, c) => (v > said[top]! ? c : top), 0)
            labels[i * classes + best] = 1
            sureness[i] = said[best]!
          }
          return { labels: floats([block.rows, classes], labels), sureness: floats([block.rows], sureness) }
        },
        loss(loss) {
          const { g } = loss
          const { target: own } = sidesWithTarget(loss, value)
          const labels = loss.feed('labels', [block.rows, classes])
          const fed = loss.feed('sureness', [block.rows])
          const sureness = own.counts === undefined ? fed : g.op('Mul', [fed, own.counts])
          const learnt = softmaxCrossEntropy(g, own.logits, labels, shares(g, sureness))
          return { add: asTerm(loss, learnt, rampedWeight(loss, weight, ramp)) }
        },
      }
    },
  }
}

/** p^2 / (its class's sum over all rows), each row then divided by its sum. */
export function balanced(probabilities: Matrix): Matrix {
  const { rows, columns, data } = probabilities
  const sums = new Float64Array(columns)
  for (let i = 0; i < data.length; i++) sums[i % columns] = sums[i % columns]! + data[i]! ** 2
  const out = matrix(rows, columns)
  for (let i = 0; i < rows; i++) {
    const own = row(probabilities, i)
    const scaled = Array.from(own, (p, c) => p ** 2 / Math.max(sums[c]!, 1e-12))
    const total = scaled.reduce((sum, v) => sum + v, 0)
    scaled.forEach((v, c) => {
      out.data[i * columns + c] = v / total
    })
  }
  return out
}

/**
 * For each row the mean of `said` over its nearest other rows among those of `among`, by cosine.
 *
 * @param features (N, D)
 * @param said (N, C)
 * @returns (N, C)
 */
export async function neighbourhoodAnswers(
  engine: Engine,
  features: Matrix,
  said: Matrix,
  count: number,
  among: Int32Array,
): Promise<Matrix> {
  const unit = unitRows(features)
  const out = matrix(said.rows, said.columns)
  const places = new Map(Array.from(among, (sample, place) => [sample, place]))
  await innerProducts(engine, unit, takeRows(unit, among), (products, start) => {
    for (let i = 0; i < products.rows; i++) {
      const own = row(out, start + i)
      const near = nearest(row(products, i), count, places.get(start + i))
      for (const place of near) {
        const other = row(said, among[place]!)
        for (let c = 0; c < own.length; c++) own[c] = own[c]! + other[c]! / near.length
      }
    }
  })
  return out
}

function unitRows(features: Matrix): Matrix {
  const unit = matrix(features.rows, features.columns)
  for (let i = 0; i < features.rows; i++) {
    const own = row(features, i)
    const length = Math.sqrt(own.reduce((sum, v) => sum + v * v, 0)) + 1e-12
    row(unit, i).set(own.map((v) => v / length))
  }
  return unit
}
