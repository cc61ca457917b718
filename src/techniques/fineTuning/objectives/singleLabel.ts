/** One class a sample: softmax cross-entropy, judged by accuracy. */
import type { SingleLabelTargets } from '../../../data/targets.js'
import { softmaxCrossEntropy } from '../../../losses/crossEntropy.js'
import type { Objective, ObjectiveSettings } from '../objective.js'
import { score } from '../scoring.js'
import { encodeClasses, inverseFrequencies } from '../targets.js'

/** L = mean of - log softmax(z)_y, on smoothed or mixed targets where asked for, weighted by class where asked for. */
export function singleLabel(train: SingleLabelTargets, settings: ObjectiveSettings): Objective {
  const outputs = train.classes.length
  const classWeights = settings.classWeights ? inverseFrequencies(train.labels, outputs) : undefined
  return {
    kind: 'single-label',
    outputs,
    valueName: 'accuracy',
    loss: softmaxCrossEntropy,
    encode: (targets, { samples }) => {
      const { labels } = targets as SingleLabelTargets
      const own = Int32Array.from(samples, (i) => labels[i]!)
      return encodeClasses(own, outputs, settings.labelSmoothing, classWeights)
    },
    score(logits, targets) {
      const { loss, accuracy } = score(logits, (targets as SingleLabelTargets).labels)
      return { loss, value: accuracy, figures: { accuracy } }
    },
  }
}
