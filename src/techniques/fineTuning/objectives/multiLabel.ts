/** Several labels a sample: binary cross-entropy of each, judged by micro F1. */
import { row } from '../../../base/matrix.js'
import type { MultiLabelTargets } from '../../../data/targets.js'
import { sigmoidCrossEntropy } from '../../../losses/sigmoidCrossEntropy.js'
import type { Objective, ObjectiveSettings } from '../objective.js'

/**
 * L = mean over samples and labels of the binary cross-entropy. With class weights a present label c weighs
 * (samples without it) / (samples with it), so that both sides of each label count the same (PyTorch's pos_weight). Smoothing s
 * takes targets to (1 - s) t + s / 2. A label is predicted where its logit is above 0, a probability above one half.
 */
export function multiLabel(train: MultiLabelTargets, settings: ObjectiveSettings): Objective {
  const outputs = train.classes.length
  const positive = settings.classWeights ? positiveWeights(train) : undefined
  return {
    kind: 'multi-label',
    outputs,
    valueName: 'micro F1',
    loss: (g, logits, targets, weights) => sigmoidCrossEntropy(g, logits, targets, weights, positive),
    encode: (targets, { samples }) => {
      const { labels, known } = targets as MultiLabelTargets
      const s = settings.labelSmoothing
      const encoded = new Float32Array(samples.length * outputs)
      samples.forEach((sample, i) => {
        for (let c = 0; c < outputs; c++) encoded[i * outputs + c] = (1 - s) * labels[sample * outputs + c]! + s / 2
      })
      return { targets: encoded, weights: Float32Array.from(samples, (sample) => known?.[sample] ?? 1) }
    },
    score(logits, targets) {
      const { labels, known } = targets as MultiLabelTargets
      let [loss, found, missed, wrong, exact, counts] = [0, 0, 0, 0, 0, 0]
      for (let i = 0; i < logits.rows; i++) {
        if (known?.[i] === 0) continue
        counts++
        let all = true
        row(logits, i).forEach((z, c) => {
          const label = labels[i * outputs + c] === 1
          loss += softplus(label ? -z : z)
          const says = z > 0
          if (says && label) found++
          else if (says) wrong++
          else if (label) missed++
          all &&= says === label
        })
        if (all) exact++
      }
      const marks = 2 * found + missed + wrong
      const microF1 = marks === 0 ? 1 : (2 * found) / marks
      return {
        loss: loss / (counts * outputs),
        value: microF1,
        figures: { microF1, exactMatch: exact / counts },
      }
    },
  }
}

/** log(1 + e^x) */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))

function positiveWeights({ classes, labels, known }: MultiLabelTargets): number[] {
  const width = classes.length
  const counts = new Array<number>(width).fill(0)
  let samples = 0
  for (let i = 0; i < labels.length / width; i++) {
    if (known?.[i] === 0) continue
    samples++
    for (let c = 0; c < width; c++) counts[c]! += labels[i * width + c]!
  }
  // A label that is always or never there has no other side.
  return counts.map((count) => (count === 0 || count === samples ? 1 : (samples - count) / count))
}
