/** Seeded stratified folds and subsets, for few samples too. */
import type { Random } from '../../base/random.js'

/** Positions of each class's samples, in random order. */
function shuffledByClass(labels: ArrayLike<number>, classes: number, random: Random): number[][] {
  const members: number[][] = Array.from({ length: classes }, () => [])
  for (const i of random.permutation(labels.length)) members[labels[i]!]!.push(i)
  return members
}

/**
 * The fold of each sample, 0 ... folds - 1, or -1 for the only sample of its class, which is never held out: without it no
 * model could know the class. Each class is dealt to the folds in turn, the next class going on where the last one
 * stopped, so that both classes and folds stay even. Every class keeps a sample in every training part.
 */
export function stratifiedFolds(labels: ArrayLike<number>, classes: number, folds: number, random: Random): Int32Array {
  const fold = new Int32Array(labels.length).fill(-1)
  let next = 0
  for (const members of shuffledByClass(labels, classes, random)) {
    if (members.length < 2) continue
    for (const i of members) fold[i] = next++ % folds
  }
  return fold
}

/** About `size` positions with the classes' shares kept, ascending; at least two of each class where it has them. */
export function stratifiedSubset(labels: ArrayLike<number>, classes: number, size: number, random: Random): Int32Array {
  if (size >= labels.length) return Int32Array.from({ length: labels.length }, (_, i) => i)
  const chosen: number[] = []
  for (const members of shuffledByClass(labels, classes, random)) {
    const share = Math.max(2, Math.round((size * members.length) / labels.length))
    chosen.push(...members.slice(0, share))
  }
  return Int32Array.from(chosen.sort((a, b) => a - b))
}
