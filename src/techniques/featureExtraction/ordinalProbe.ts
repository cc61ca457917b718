/**
 * Linear probe for classes that have an order (stars, grades): logistic regression along one direction, or with a direction
 * for every class, whichever is better on held-out samples.
 *
 * Of the ordinal models this is the one that is a softmax: what is saved stays one linear layer with K logits that every
 * reader of a classifier understands, and the fine-tuning of a network can start from. Proportional odds are not: their
 * class probabilities are differences of sigmoids.
 */
import type { Matrix } from '../../base/matrix.js'
import type { Vector } from '../../optim/lbfgs.js'
import { type Classifier, checkFit, type FitOptions } from './classifier.js'
import { type FittedLinearProbe, fitProbe, type LinearProbeOptions, settle } from './linearProbe.js'
import type { Restriction } from './regressionProblems.js'

export interface FittedOrdinalProbe extends FittedLinearProbe {
  /** Whether all classes lie along one direction of the features. */
  readonly oneDirection: boolean
}

/**
 * The adjacent-categories logit model (Goodman 1979; Agresti 2010, section 4.1): log p_k / p_(k-1) = a_k + w . x, the same
 * direction w for every step up. As a softmax its logits are z_k = k w . x + b_k, a weight of rank one. Its D + K numbers
 * need far fewer samples than the K D of a multinomial regression, which is fitted too and taken where its held-out log-loss
 * is lower by more than a standard error. Options, calibration and result are those of the linear probe.
 */
export function ordinalProbe(options: LinearProbeOptions = {}): Classifier<FittedOrdinalProbe> {
  const settled = settle(options)
  return {
    name: 'linear-probe',
    async fit(features, labels, classes, fit) {
      checkFit(features, labels, classes, fit)
      const half = (from: number): FitOptions => ({
        ...fit,
        onProgress: (done) => fit.onProgress?.(from + done / 2),
      })
      const family = (dimensions: number) => oneDirection(dimensions, classes)
      // Both draw their folds by the same keys, so that their losses can be compared sample by sample.
      const ordered = await fitProbe(settled, features, labels, classes, half(0), family)
      if (classes === 2) return marked(ordered, true)
      const free = await fitProbe(settled, features, labels, classes, half(0.5))
      return better(ordered, free, labels) ? marked(free, false) : marked(ordered, true)
    },
  }
}

const marked = (probe: FittedLinearProbe, oneDirection: boolean): FittedOrdinalProbe => ({
  ...probe,
  oneDirection,
  details: { ...probe.details, oneDirection: oneDirection ? 1 : 0 },
})

/** Whether the second has the lower held-out loss, by more than a standard error of the difference. */
function better(first: FittedLinearProbe, second: FittedLinearProbe, labels: Int32Array): boolean {
  const a = first.outOfFold
  const b = second.outOfFold
  if (!a || !b) return false
  const other = lossesByRow(b.rows, b.logits, labels)
  const gains = [...lossesByRow(a.rows, a.logits, labels)].flatMap(([i, loss]) => {
    const against = other.get(i)
    return against === undefined ? [] : [loss - against]
  })
  const n = gains.length
  if (n < 2) return false
  const mean = gains.reduce((sum, g) => sum + g, 0) / n
  const variance = gains.reduce((sum, g) => sum + (g - mean) ** 2, 0) / (n - 1)
  return mean > Math.sqrt(variance / n)
}

function lossesByRow(rows: Int32Array, logits: Matrix, labels: Int32Array): Map<number, number> {
  const k = logits.columns
  return new Map(
    Array.from(rows, (i, r) => {
      const z = logits.data.subarray(r * k, (r + 1) * k)
      const top = Math.max(...z)
      return [i, top + Math.log(z.reduce((sum, v) => sum + Math.exp(v - top), 0)) - z[labels[i]!]!] as const
    }),
  )
}

/**
 * The scale of class k along the direction: k about its middle, with squares that sum to 1, so that a penalty on w is the
 * same penalty on the weights of the softmax.
 */
function steps(classes: number): Float64Array {
  const middle = (classes - 1) / 2
  const length = Math.sqrt(Array.from({ length: classes }, (_, k) => (k - middle) ** 2).reduce((a, b) => a + b, 0))
  return Float64Array.from({ length: classes }, (_, k) => (k - middle) / length)
}

/** w (D), then b (K), as the softmax regression W_k = steps_k w. */
function oneDirection(dimensions: number, classes: number): Restriction {
  const scale = steps(classes)
  return {
    size: dimensions + classes,
    expand(point) {
      const full = new Float32Array(classes * (dimensions + 1))
      scale.forEach((s, k) => {
        for (let j = 0; j < dimensions; j++) full[k * dimensions + j] = s * point[j]!
      })
      full.set(point.subarray(dimensions), classes * dimensions)
      return full
    },
    pull(gradient: Vector) {
      const own = new Float32Array(dimensions + classes)
      scale.forEach((s, k) => {
        for (let j = 0; j < dimensions; j++) own[j] = own[j]! + s * gradient[k * dimensions + j]!
      })
      own.set(gradient.subarray(classes * dimensions), dimensions)
      return own
    },
  }
}
