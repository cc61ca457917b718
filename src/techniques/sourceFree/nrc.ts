/** NRC in epochs: samples that lie near each other under the saved network's features come to be told alike. */
import { UsageError } from '../../base/errors.js'
import { type Matrix, matrix, row, softmaxRows } from '../../base/matrix.js'
import { marginalEntropy } from '../../losses/domain/entropy.js'
import { sumOf } from '../../losses/weighted.js'
import type { Emitter } from '../../ops/operator.js'
import type { Engine } from '../../runtime/engine.js'
import { floats } from '../../runtime/types.js'
import { type AdaptationMethod, asTerm, classFeatures } from '../domainAdaptation/method.js'
import { nearest, normalised } from '../featureExtraction/neighbours.js'
import { innerProducts } from '../featureExtraction/products.js'
import { rowShares, tempered } from './batchRows.js'

export interface NrcOptions {
  /** K, neighbours that a sample is drawn to. @default 3, the paper's for data sets of some thousands */
  readonly neighbours?: number | undefined
  /** M, neighbours of these neighbours. @default 2 */
  readonly expanded?: number | undefined
  /** r, what a neighbour counts of which the sample is none, and a neighbour's neighbour. @default 0.1 */
  readonly others?: number | undefined
  /** Probabilities are softmax(logits / temperature). @default 1 */
  readonly temperature?: number | undefined
}

const ANSWERS = 'answers'

/**
 * - mean over n of p_n (sum over its K nearest k of a_nk q_k + r sum over the M nearest m of these of q_m + q_n) - entropy of the mean
 * prediction; q the predictions and the cosine neighbours of all samples, a_nk 1 where n is among the K nearest of k as well and
 * else r (Yang, van de Weijer, Herranz and Jui 2021, "Exploiting the Intrinsic Neighborhood Structure for Source-free Domain
 * Adaptation", arXiv:2110.04202). The paper renews q and the features at every step; here they are made anew at the start of each
 * epoch. For a network whose layers leave the classifier out, on samples without labels.
 */
export function nrc(options: NrcOptions = {}): AdaptationMethod {
  const { neighbours = 3, expanded = 2, others = 0.1, temperature = 1 } = options
  const [name, title] = ['nrc', 'NRC']
  if (!Number.isInteger(neighbours) || neighbours < 1 || !Number.isInteger(expanded) || expanded < 0)
    throw new UsageError(
      `nrc: neighbours is ${neighbours} and expanded ${expanded}; expected whole numbers, of at least 1 and 0.`,
    )
  if (!(others >= 0) || !(temperature > 0))
    throw new UsageError(`nrc: others is ${others} and temperature ${temperature}; expected 0 or more, and above 0.`)
  return {
    name,
    title,
    paper:
      'Yang, van de Weijer, Herranz and Jui 2021, Exploiting the Intrinsic Neighborhood Structure for Source-free Domain Adaptation, arXiv:2110.04202',
    needs: ['features'],
    options: { neighbours, expanded, others, temperature },
    prepare(context) {
      const { value } = classFeatures(context, title)
      const { batch } = context.settings
      return {
        name,
        values: [value],
        async epoch({ train, outputs }) {
          const { logits, features } = await outputs(train)
          const near = await nearestOf(context.engine, features, neighbours)
          const answers = neighbourAnswers(softmaxRows(logits, temperature), near, expanded, others)
          return { [ANSWERS]: floats([answers.rows, answers.columns], answers.data) }
        },
        feeds({ kept, batch: { samples } }) {
          const all = kept[ANSWERS]?.data as Float32Array
          const classes = all.length / context.train.length
          const data = new Float32Array(batch * classes)
          samples.forEach((sample, n) => {
            data.set(all.subarray(sample * classes, (sample + 1) * classes), n * classes)
          })
          return { [ANSWERS]: floats([batch, classes], data) }
        },
        loss(loss) {
          const { g } = loss
          const logits = tempered(g, loss.logits, temperature)
          const weights = rowShares(g, loss.rows)
          return { add: asTerm(loss, nrcObjective(g, logits, weights, loss.feed(ANSWERS, g.shape(logits)))) }
        },
      }
    },
  }
}

/**
 * - sum over n of w_n p_n v_n - entropy of sum over n of w_n p_n, a scalar.
 *
 * @param logits (N, C), p their softmax
 * @param weights w, (N), summing to 1
 * @param answers v, (N, C)
 */
export function nrcObjective(g: Emitter, logits: string, weights: string, answers: string): string {
  const [n] = g.shape(logits) as [number]
  const probabilities = g.op('Softmax', [logits], { axis: { kind: 'int', value: -1 } })
  const agreed = g.op('Mul', [g.op('Mul', [probabilities, answers]), g.op('Reshape', [weights, g.ints([n, 1])])])
  return g.op('Neg', [g.op('Add', [sumOf(g, agreed), marginalEntropy(g, logits, weights)])])
}

/** For each row its nearest others by cosine, nearest first. */
async function nearestOf(engine: Engine, features: Matrix, count: number): Promise<readonly Int32Array[]> {
  const unit = normalised(features)
  const found: Int32Array[] = []
  await innerProducts(engine, unit, unit, (products, start) => {
    for (let i = 0; i < products.rows; i++) found.push(Int32Array.from(nearest(row(products, i), count, start + i)))
  })
  return found
}

/**
 * What each sample is drawn to: sum over its nearest k of a q_k, over theirs of r q_m, and q itself, (N, C).
 *
 * @param said q, (N, C)
 * @param near of each sample, nearest first
 */
export function neighbourAnswers(
  said: Matrix,
  near: readonly ArrayLike<number>[],
  expanded: number,
  others: number,
): Matrix {
  const out = matrix(said.rows, said.columns)
  for (let n = 0; n < said.rows; n++) {
    const own = row(out, n)
    const add = (sample: number, weight: number) => {
      row(said, sample).forEach((q, c) => {
        own[c] = own[c]! + weight * q
      })
    }
    add(n, 1)
    for (const k of Array.from(near[n]!)) {
      add(k, Array.from(near[k]!).includes(n) ? 1 : others)
      for (const m of Array.from(near[k]!).slice(0, expanded)) add(m, others)
    }
  }
  return out
}
