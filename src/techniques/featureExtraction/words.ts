/**
 * Words as samples: a classifier of tokens is fitted on the features of some labelled words, not on all hidden states, which
 * for a few thousand sentences would be gigabytes.
 */
import { GraftError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import type { TokenTargets } from '../../data/targets.js'

/** One entry a chosen word, in the order of the samples and their words. */
export interface ChosenWords {
  /** The sample that the word is in. */
  readonly samples: Int32Array
  /** Which of its words. */
  readonly words: Int32Array
  readonly labels: Int32Array
}

/**
 * At most `limit` of the words whose label is known. Where there are more, words of rare classes are kept before those of
 * common ones: every class gets an equal share, and what a class cannot fill goes to the others.
 *
 * @throws GraftError where no word has a label
 */
export function chooseWords(targets: TokenTargets, limit: number, random: Random): ChosenWords {
  const known: { sample: number; word: number; label: number }[] = []
  targets.labels.forEach((labels, sample) => {
    labels.forEach((label, word) => {
      if (label >= 0) known.push({ sample, word, label })
    })
  })
  if (known.length === 0)
    throw new GraftError('No word has a label.', {
      remedy: 'Check the column of the tags, and that its rows are not empty.',
    })
  const kept = known.length <= limit ? known : evenly(known, targets.classes.length, limit, random)
  return {
    samples: Int32Array.from(kept, (k) => k.sample),
    words: Int32Array.from(kept, (k) => k.word),
    labels: Int32Array.from(kept, (k) => k.label),
  }
}

function evenly<T extends { readonly label: number }>(
  known: readonly T[],
  classes: number,
  limit: number,
  random: Random,
): T[] {
  const members: number[][] = Array.from({ length: classes }, () => [])
  for (const i of random.permutation(known.length)) members[known[i]!.label]!.push(i)
  const bySize = members.filter((m) => m.length > 0).sort((a, b) => a.length - b.length)
  const chosen: number[] = []
  bySize.forEach((own, at) => {
    const share = Math.floor((limit - chosen.length) / (bySize.length - at))
    chosen.push(...own.slice(0, share))
  })
  return chosen.sort((a, b) => a - b).map((i) => known[i]!)
}

/**
 * The weights that make the chosen words stand for all of them: for each chosen word, the words of its class over those of
 * its class that were chosen.
 */
export function wordWeights(targets: TokenTargets, chosen: ChosenWords): Float64Array {
  const all = new Float64Array(targets.classes.length)
  for (const labels of targets.labels) for (const label of labels) if (label >= 0) all[label] = all[label]! + 1
  const own = new Float64Array(targets.classes.length)
  for (const label of chosen.labels) own[label] = own[label]! + 1
  return Float64Array.from(chosen.labels, (label) => all[label]! / own[label]!)
}
