/** Pairs of samples with how alike they should become: what contrastive training learns from a few labels. */
import { UsageError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import { countOf, isKnown, type Targets } from '../../data/targets.js'

export interface Pair {
  readonly first: number
  readonly second: number
  /** The cosine that the two should have, 0 ... 1. */
  readonly similarity: number
}

/**
 * The similarity of two samples: one class a sample, 1 for the same class and 0 for another; ordered classes, 1 - |i - j| / (K - 1);
 * several labels, those that both have over those that either has (Jaccard 1901).
 *
 * @throws UsageError where the targets are numbers or words
 */
export function similarityOf(targets: Targets): (first: number, second: number) => number {
  switch (targets.kind) {
    case 'single-label':
      return (a, b) => (targets.labels[a] === targets.labels[b] ? 1 : 0)
    case 'ordinal': {
      const steps = Math.max(1, targets.classes.length - 1)
      return (a, b) => 1 - Math.abs(targets.labels[a]! - targets.labels[b]!) / steps
    }
    case 'multi-label': {
      const { labels, classes } = targets
      return (a, b) => {
        let [both, either] = [0, 0]
        for (let c = 0; c < classes.length; c++) {
          const sum = labels[a * classes.length + c]! + labels[b * classes.length + c]!
          if (sum === 2) both++
          if (sum > 0) either++
        }
        return either === 0 ? 1 : both / either
      }
    }
    default:
      throw new UsageError(
        `Pairs of like and unlike samples need classes; these samples have ${targets.kind === 'number' ? 'a number' : 'a class a word'}.`,
        { remedy: 'Use feature extraction or fine-tuning.' },
      )
  }
}

/** Whether a pair counts as alike: the same class, or at least one label in common. */
function alike(targets: Targets, similarity: number): boolean {
  return targets.kind === 'multi-label' ? similarity > 0 : similarity === 1
}

/**
 * For every sample `rounds` partners that are like it and as many that are not (R of Tunstall et al. 2022), in random order.
 * No partner of a sample comes twice before all have come once.
 *
 * @throws UsageError where no two samples are alike, or none differ
 */
export function sampledPairs(targets: Targets, rounds: number, random: Random): Pair[] {
  const similarity = similarityOf(targets)
  const samples = knownSamples(targets)
  const pairs: Pair[] = []
  for (const first of samples) {
    const partners: Record<'like' | 'unlike', number[]> = { like: [], unlike: [] }
    for (const second of samples)
      if (second !== first) partners[alike(targets, similarity(first, second)) ? 'like' : 'unlike'].push(second)
    for (const kind of ['like', 'unlike'] as const) {
      const own = partners[kind]
      for (let taken = 0, turn = 0; taken < rounds && own.length > 0; turn++) {
        const drawn = random
          .fork(kind, first, turn)
          .shuffle(own)
          .slice(0, rounds - taken)
        pairs.push(...drawn.map((second) => ({ first, second, similarity: similarity(first, second) })))
        taken += drawn.length
      }
    }
  }
  return checked(targets, random.fork('order').shuffle(pairs))
}

/** Every pair of samples once, and the rarer kind (alike, or not) again until there are as many of it, in random order. */
export function allPairs(targets: Targets, random: Random): Pair[] {
  const similarity = similarityOf(targets)
  const samples = knownSamples(targets)
  const kinds: { like: Pair[]; unlike: Pair[] } = { like: [], unlike: [] }
  samples.forEach((first, i) => {
    for (const second of samples.slice(i + 1)) {
      const pair = { first, second, similarity: similarity(first, second) }
      kinds[alike(targets, pair.similarity) ? 'like' : 'unlike'].push(pair)
    }
  })
  const most = Math.max(kinds.like.length, kinds.unlike.length)
  const filled = (['like', 'unlike'] as const).flatMap((kind) => {
    const own = kinds[kind]
    const all: Pair[] = []
    for (let turn = 0; all.length < most && own.length > 0; turn++)
      all.push(
        ...(turn === 0
          ? own
          : random
              .fork(kind, turn)
              .shuffle(own)
              .slice(0, most - all.length)),
      )
    return all
  })
  return checked(targets, random.fork('order').shuffle(filled))
}

function knownSamples(targets: Targets): number[] {
  return Array.from({ length: countOf(targets) }, (_, i) => i).filter((i) => isKnown(targets, i))
}

function checked(targets: Targets, pairs: Pair[]): Pair[] {
  const likes = pairs.filter((pair) => alike(targets, pair.similarity)).length
  if (likes === 0 || likes === pairs.length)
    throw new UsageError(
      likes === 0 ? 'No two training samples are of the same class.' : 'All training samples are of the same class.',
      {
        remedy:
          'Contrastive training needs at least two samples of one class and one of another: add samples, or use a probe.',
      },
    )
  return pairs
}
