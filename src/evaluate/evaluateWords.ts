/** Figures of a class a word: of the words, and of the entities that they make up. */
import type { Random } from '../base/random.js'
import { type EntityScore, entitiesOf, entityScore, isBio } from './entities.js'
import type { ClassFigures } from './evaluation.js'
import { bootstrapInterval, type Interval, macroF1Interval, wilsonInterval } from './intervals.js'
import { classScores, confusionMatrix, macroF1 } from './metrics.js'

export interface EntityFigures extends EntityScore {
  /** Percentile bootstrap over texts, 95 %. */
  readonly f1Interval: Interval
  /** By type of entity: an entity counts as found where type and both ends are right. */
  readonly perType: readonly ClassFigures[]
}

export interface WordsEvaluation {
  readonly kind: 'words'
  /** Number of texts. */
  readonly n: number
  /** Words whose class is known. */
  readonly words: number
  /** Share of these that are right; a word that was cut off is wrong. */
  readonly accuracy: number
  /** Wilson, 95 %, as if words were independent. */
  readonly accuracyInterval: Interval
  readonly macroF1: number
  readonly macroF1Interval: Interval
  /** Where the classes follow BIO. */
  readonly entities?: EntityFigures
  readonly perClass: readonly ClassFigures[]
  /** confusion[truth][predicted], of words that were not cut off. */
  readonly confusion: readonly (readonly number[])[]
  /** Words that were cut off with the end of their text. */
  readonly cutOff: number
}

/**
 * @param truth a class a word of each text; -1 where it is not known
 * @param predicted the same; -1 where the word was cut off
 */
export function evaluateWords(
  truth: readonly ArrayLike<number>[],
  predicted: readonly ArrayLike<number>[],
  classes: readonly string[],
  random: Random,
): WordsEvaluation {
  const labels: number[] = []
  const found: number[] = []
  let words = 0
  let right = 0
  truth.forEach((own, i) => {
    for (let w = 0; w < own.length; w++) {
      if (own[w]! < 0) continue
      words++
      const said = predicted[i]![w]!
      if (said < 0) continue
      labels.push(own[w]!)
      found.push(said)
      if (said === own[w]) right++
    }
  })
  if (words === 0) throw new RangeError('there is nothing to evaluate: no labelled words')
  const confusion = confusionMatrix(labels, found, classes.length)
  return {
    kind: 'words',
    n: truth.length,
    words,
    accuracy: right / words,
    accuracyInterval: wilsonInterval(right, words),
    macroF1: macroF1(confusion),
    macroF1Interval: macroF1Interval(labels, found, classes.length, random.fork('macro F1')),
    ...(isBio(classes) ? { entities: entityFigures(truth, predicted, classes, random) } : {}),
    perClass: classScores(confusion).map(({ precision, recall, f1, support }, k) => ({
      name: classes[k]!,
      precision,
      recall,
      f1,
      support,
      recallInterval: wilsonInterval(Math.round(recall * support), support),
    })),
    confusion: classes.map((_, k) =>
      Array.from(confusion.counts.subarray(k * classes.length, (k + 1) * classes.length)),
    ),
    cutOff: words - labels.length,
  }
}

function entityFigures(
  truth: readonly ArrayLike<number>[],
  predicted: readonly ArrayLike<number>[],
  classes: readonly string[],
  random: Random,
): EntityFigures {
  // A word without a known class is no part of an entity, on either side.
  const tags = (own: ArrayLike<number>, known: ArrayLike<number>) =>
    Array.from(own, (label, w) => (known[w]! < 0 || label < 0 ? 'O' : classes[label]!))
  const expected = truth.map((own) => tags(own, own))
  const said = predicted.map((own, i) => tags(own, truth[i]!))
  const at = (rows: Int32Array) =>
    entityScore(
      Array.from(rows, (i) => expected[i]!),
      Array.from(rows, (i) => said[i]!),
    )
  const types = [...new Set(classes.flatMap((name) => (name === 'O' ? [] : [name.slice(2)])))]
  return {
    ...at(Int32Array.from(truth, (_, i) => i)),
    f1Interval: bootstrapInterval(truth.length, (rows) => at(rows).f1, random.fork('entities'), { replicates: 300 }),
    perType: types.map((type) => {
      const only = (list: readonly string[]) => list.map((tag) => (tag.slice(2) === type ? tag : 'O'))
      const score = entityScore(expected.map(only), said.map(only))
      const support = expected.reduce((sum, own) => sum + entitiesOf(only(own)).length, 0)
      return {
        name: type,
        precision: score.precision,
        recall: score.recall,
        f1: score.f1,
        support,
        recallInterval: wilsonInterval(Math.round(score.recall * support), support),
      }
    }),
  }
}
