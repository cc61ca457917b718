/** T3A: the classifier's rows replaced by means of features that it is sure of. */
import { UsageError } from '../../base/errors.js'
import { argmaxRows, type Matrix, matrix, row, softmaxRows } from '../../base/matrix.js'
import type { OpenStreamMethod, StreamMethod } from './method.js'

export interface T3aOptions {
  /** Features kept a class: those of least entropy. @default 20 */
  readonly supports?: number | undefined
}

/** A linear classifier: z = features weightᵀ + bias. */
export interface LinearClassifier {
  /** (C, D) */
  readonly weight: Matrix
  /** (C) */
  readonly bias: Float32Array
}

interface Support {
  /** Of length 1. */
  readonly direction: Float32Array
  readonly entropy: number
}

/**
 * Test-time template adjuster (Iwasawa and Matsuo 2021, "Test-Time Classifier Adjustment Module for Model-Agnostic Domain
 * Generalization", NeurIPS): each class has a set of support features, at first its row of the classifier. A sample's feature joins
 * the set of the class that the classifier predicts, of each set the `supports` members of least prediction entropy are kept, and
 *
 *   z_c = f . w_c, w_c the sum of the supports' directions, made of length 1
 */
export class T3aSupports {
  readonly #classifier: LinearClassifier
  readonly #most: number
  #sets: Support[][] = []

  constructor(classifier: LinearClassifier, options: T3aOptions = {}) {
    const { supports = 20 } = options
    if (!(Number.isInteger(supports) && supports >= 1))
      throw new UsageError(`t3a: supports is ${supports}; expected a whole number of at least 1.`)
    this.#classifier = classifier
    this.#most = supports
    this.reset()
  }

  /** Back to the classifier's rows. */
  reset(): void {
    const { weight } = this.#classifier
    this.#sets = Array.from({ length: weight.rows }, () => [])
    this.add(weight, linearLogits(weight, this.#classifier))
  }

  /** Takes features (N, D) in, by what the classifier says of them, (N, C). */
  add(features: Matrix, logits: Matrix): void {
    const predicted = argmaxRows(logits)
    const probabilities = softmaxRows(logits)
    for (let n = 0; n < features.rows; n++) {
      const entropy = -row(probabilities, n).reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0)
      this.#sets[predicted[n]!]!.push({ direction: unit(row(features, n)), entropy })
    }
    this.#sets = this.#sets.map((set) => [...set].sort((a, b) => a.entropy - b.entropy).slice(0, this.#most))
  }

  /** z, (N, C), by the sets as they are. */
  logits(features: Matrix): Matrix {
    const templates = this.#sets.map((set) => {
      const sum = new Float32Array(features.columns)
      for (const { direction } of set) for (let d = 0; d < sum.length; d++) sum[d] = sum[d]! + direction[d]!
      return unit(sum)
    })
    const out = matrix(features.rows, templates.length)
    for (let n = 0; n < features.rows; n++) {
      const own = row(features, n)
      templates.forEach((template, c) => {
        out.data[n * out.columns + c] = own.reduce((sum, v, d) => sum + v * template[d]!, 0)
      })
    }
    return out
  }
}

function linearLogits(features: Matrix, { weight, bias }: LinearClassifier): Matrix {
  const out = matrix(features.rows, weight.rows)
  for (let n = 0; n < features.rows; n++)
    for (let c = 0; c < weight.rows; c++) {
      const w = row(weight, c)
      out.data[n * weight.rows + c] = row(features, n).reduce((sum, v, d) => sum + v * w[d]!, bias[c]!)
    }
  return out
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, v) => sum + v * v, 0))
  return vector.map((v) => v / Math.max(length, 1e-12))
}

/** `T3aSupports` over the stream: a batch joins the sets, then is answered by them. No weight changes. */
export function t3a(options: T3aOptions = {}): StreamMethod {
  const { supports = 20 } = options
  return {
    name: 't3a',
    title: 'T3A',
    paper: 'Iwasawa and Matsuo 2021, NeurIPS',
    options: { supports },
    needs: ['features', 'linear head'],
    regime: 'any',
    async open({ network }): Promise<OpenStreamMethod> {
      if (network.head === undefined) throw new RangeError('t3a was opened without a linear head')
      const sets = new T3aSupports(network.head, options)
      return {
        async answer(_, { logits, features }, learn) {
          if (features === undefined) return { logits, learnt: false }
          if (learn) sets.add(features, logits)
          return { logits: sets.logits(features), learnt: learn }
        },
        async reset() {
          sets.reset()
        },
        release: async () => undefined,
      }
    },
  }
}
