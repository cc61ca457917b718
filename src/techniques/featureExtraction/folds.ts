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
 *
 * @param groups samples with the same number are held out together
 */
export function stratifiedFolds(
  labels: ArrayLike<number>,
  classes: number,
  folds: number,
  random: Random,
  groups?: ArrayLike<number>,
): Int32Array {
  if (groups !== undefined) return groupedFolds(labels, classes, groups, folds, random)
  const fold = new Int32Array(labels.length).fill(-1)
  let next = 0
  for (const members of shuffledByClass(labels, classes, random)) {
    if (members.length < 2) continue
    for (const i of members) fold[i] = next++ % folds
  }
  return fold
}

/**
 * The fold of each sample where the samples of a group (the words of a sentence) are held out together: the groups are dealt
 * in random order, each to the fold with the fewest samples that does not come to hold every sample of some class. Where
 * there is no such fold the group is never held out (-1).
 */
function groupedFolds(
  labels: ArrayLike<number>,
  classes: number,
  groups: ArrayLike<number>,
  folds: number,
  random: Random,
): Int32Array {
  const members = new Map<number, number[]>()
  const whole = new Int32Array(classes)
  for (let i = 0; i < labels.length; i++) {
    whole[labels[i]!] = whole[labels[i]!]! + 1
    const list = members.get(groups[i]!)
    if (list) list.push(i)
    else members.set(groups[i]!, [i])
  }
  const fold = new Int32Array(labels.length).fill(-1)
  const dealt = Array.from({ length: folds }, () => ({ size: 0, counts: new Int32Array(classes) }))
  for (const group of random.shuffle([...members.values()])) {
    const own = new Int32Array(classes)
    for (const i of group) own[labels[i]!] = own[labels[i]!]! + 1
    const takesAll = (f: number) => own.some((n, c) => n > 0 && n + dealt[f]!.counts[c]! === whole[c])
    const chosen = [...dealt.keys()].filter((f) => !takesAll(f)).sort((a, b) => dealt[a]!.size - dealt[b]!.size)[0]
    if (chosen === undefined) continue
    const to = dealt[chosen]!
    for (const i of group) fold[i] = chosen
    to.size += group.length
    own.forEach((n, c) => {
      to.counts[c] = to.counts[c]! + n
    })
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
