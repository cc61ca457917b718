/** One class a sample: softmax cross-entropy, judged by accuracy. */
import { type SingleLabelTargets, takeTargets } from '../../../data/targets.js'
import { softmaxCrossEntropy } from '../../../losses/crossEntropy.js'
import { possibleClasses } from '../../../losses/possibleClasses.js'
import type { Objective, ObjectiveSettings } from '../objective.js'
import { score } from '../scoring.js'
import { encodeClasses, inverseFrequencies } from '../targets.js'

/**
 * L = mean of - log softmax(z)_y, on smoothed or mixed targets where asked for, weighted by class where asked for. Samples of
 * which possible classes are known add - log of the sum of softmax(z)_c over these, unless labels are smoothed.
 */
export function singleLabel(train: SingleLabelTargets, settings: ObjectiveSettings): Objective {
  const outputs = train.classes.length
  const classWeights = settings.classWeights ? inverseFrequencies(train.labels, outputs) : undefined
  const partly = train.possible !== undefined && settings.labelSmoothing === 0
  return {
    kind: 'single-label',
    outputs,
    valueName: 'accuracy',
    loss: partly ? possibleClasses : softmaxCrossEntropy,
    encode: (targets, { samples }) => {
      const { labels, possible } = takeTargets(targets as SingleLabelTargets, samples)
      return encodeClasses(labels, outputs, settings.labelSmoothing, classWeights, partly ? possible : undefined)
    },
    score(logits, targets) {
      const { labels, possible } = targets as SingleLabelTargets
      const { loss, accuracy } = score(logits, labels, partly ? possible : undefined)
      return { loss, value: accuracy, figures: { accuracy } }
    },
  }
}
