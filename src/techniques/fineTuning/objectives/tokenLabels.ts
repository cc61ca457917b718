/** A class a word (names, parts of speech): cross-entropy at the first piece of each word. */

import { InternalError } from '../../../base/errors.js'
import { argmaxRows } from '../../../base/matrix.js'
import type { TokenTargets } from '../../../data/targets.js'
import { entityScore, isBio } from '../../../evaluate/entities.js'
import { softmaxCrossEntropy } from '../../../losses/crossEntropy.js'
import type { Objective, ObjectiveSettings } from '../objective.js'
import { score } from '../scoring.js'
import { encodeClasses, inverseFrequencies } from '../targets.js'

/**
 * L = mean over the labelled words of - log softmax(z)_y at the word's first piece; other positions (further pieces, padding,
 * special tokens, unknown labels) weigh nothing. Judged by entity F1 where the classes follow BIO, else by the share of words
 * that are right; a word that was cut off counts as wrong, or as no entity.
 */
export function tokenLabels(train: TokenTargets, settings: ObjectiveSettings): Objective {
  const { classes } = train
  const outputs = classes.length
  const bio = isBio(classes)
  const classWeights = settings.classWeights ? inverseFrequencies(joined(train.labels), outputs) : undefined
  return {
    kind: 'token-labels',
    outputs,
    valueName: bio ? 'entity F1' : 'accuracy',
    loss: softmaxCrossEntropy,
    encode: (targets, { samples, words }) => {
      if (words === undefined) throw new InternalError('a batch with a class a word does not say where its words are')
      const { labels } = targets as TokenTargets
      const length = words.length / samples.length
      const own = Int32Array.from(words, (word, at) =>
        word < 0 ? -1 : (labels[samples[Math.floor(at / length)]!]![word] ?? -1),
      )
      return encodeClasses(own, outputs, settings.labelSmoothing, classWeights)
    },
    score(logits, targets) {
      const { labels } = targets as TokenTargets
      const own = joined(labels).subarray(0, logits.rows)
      const seen = Int32Array.from(own, (label, i) => (Number.isNaN(logits.data[i * outputs]!) ? -1 : label))
      const { loss } = score(logits, seen)
      const predicted = argmaxRows(logits)
      let [known, right] = [0, 0]
      own.forEach((label, i) => {
        if (label < 0) return
        known++
        if (seen[i]! >= 0 && predicted[i] === label) right++
      })
      const accuracy = right / known
      if (!bio) return { loss, value: accuracy, figures: { accuracy } }
      let at = 0
      const truth: string[][] = []
      const found: string[][] = []
      for (const sample of labels) {
        if (at >= logits.rows) break
        const tags = (tag: (i: number) => string) => Array.from(sample, (_, word) => tag(at + word))
        truth.push(tags((i) => classes[own[i]!] ?? 'O'))
        found.push(tags((i) => (own[i]! < 0 || seen[i]! < 0 ? 'O' : classes[predicted[i]!]!)))
        at += sample.length
      }
      const entities = entityScore(truth, found)
      return {
        loss,
        value: entities.f1,
        figures: { accuracy, entityF1: entities.f1, precision: entities.precision, recall: entities.recall },
      }
    },
  }
}

function joined(labels: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(labels.reduce((sum, own) => sum + own.length, 0))
  let at = 0
  for (const own of labels) {
    all.set(own, at)
    at += own.length
  }
  return all
}
