/** Classes in an order (stars, grades): cross-entropy plus the squared earth mover's distance, judged by accuracy. */
import { argmaxRows, softmaxRows } from '../../../base/matrix.js'
import type { OrdinalTargets } from '../../../data/targets.js'
import { softmaxCrossEntropy } from '../../../losses/crossEntropy.js'
import { squaredEarthMover } from '../../../losses/earthMover.js'
import type { Objective, ObjectiveSettings } from '../objective.js'
import { score } from '../scoring.js'
import { encodeClasses, inverseFrequencies } from '../targets.js'

/**
 * L = mean of - log softmax(z)_y + weight * sum over k of (cumulative softmax(z)_k - [y <= k])^2 (Hou, Yu and Samaras 2016,
 * arXiv:1611.05916). The network stays a classifier of K classes, so a softmax reads it. `mae` is the mean distance in classes
 * between the predicted and the true one.
 */
export function ordinal(train: OrdinalTargets, settings: ObjectiveSettings): Objective {
  const outputs = train.classes.length
  const weight = settings.ordinalWeight ?? 1
  const classWeights = settings.classWeights ? inverseFrequencies(train.labels, outputs) : undefined
  return {
    kind: 'ordinal',
    outputs,
    valueName: 'accuracy',
    loss: (g, logits, targets, weights) => {
      const distance = squaredEarthMover(g, logits, targets, weights)
      return g.op('Add', [
        softmaxCrossEntropy(g, logits, targets, weights),
        weight === 1 ? distance : g.op('Mul', [distance, g.float(weight)]),
      ])
    },
    encode: (targets, { samples }) => {
      const { labels } = targets as OrdinalTargets
      const own = Int32Array.from(samples, (i) => labels[i]!)
      return encodeClasses(own, outputs, settings.labelSmoothing, classWeights)
    },
    score(logits, targets) {
      const { labels } = targets as OrdinalTargets
      const { loss, accuracy } = score(logits, labels)
      const probabilities = softmaxRows(logits)
      let [distance, away, known] = [0, 0, 0]
      argmaxRows(logits).forEach((predicted, i) => {
        const label = labels[i]!
        if (label < 0) return
        known++
        away += Math.abs(predicted - label)
        let cumulative = 0
        for (let k = 0; k < outputs; k++) {
          cumulative += probabilities.data[i * outputs + k]!
          distance += (cumulative - (label <= k ? 1 : 0)) ** 2
        }
      })
      return {
        loss: loss + (weight * distance) / known,
        value: accuracy,
        figures: { accuracy, mae: away / known },
      }
    },
  }
}
