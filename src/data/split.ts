/**
 * Divides samples (photos, texts) into training, validation and test by a seed, each class in proportion, with all copies of a
 * sample on one side. Works on labels and groups alone, in typed arrays: millions of samples are no burden.
 */
import { UsageError } from '../base/errors.js'
import type { Random } from '../base/random.js'
import type { Split } from './types.js'

export interface SplitOptions {
  /** Class of each photo, (N); -1 for none. */
  readonly labels: ArrayLike<number>
  /** Group of each photo, (N): photos of one group stay together. Default: every photo on its own. */
  readonly groups?: ArrayLike<number> | undefined
  /** Where the data itself puts a photo. A part that the data gives is taken as it is; the rest comes out of `train`. */
  readonly given?: readonly (Split | undefined)[] | undefined
  /** Share for validation, 0 ... 1; unused where the data gives a validation part. */
  readonly validation: number
  /** Share for the test, 0 ... 1; unused where the data gives a test part. */
  readonly test: number
  readonly random: Random
}

/** Positions of the photos of each part, ascending. */
export interface SplitResult {
  readonly train: Int32Array
  readonly validation: Int32Array
  readonly test: Int32Array
}

/**
 * Of each class with n groups, `round(n * share)` go to each part, with these rules where there are few: one group trains;
 * of two, one is held out; of three and more, every wanted part gets at least one and training keeps at least one. Where
 * validation and test are both wanted and only one group can be spared, validation gets it.
 *
 * @throws UsageError where the shares are no shares or leave nothing to train on
 */
export function splitPhotos(options: SplitOptions): SplitResult {
  const { labels, given, random } = options
  const n = labels.length
  const shares = wantedShares(options)
  const groups = groupSamples(n, options.groups)
  const part = new Uint8Array(n)
  for (let i = 0; i < n; i++) part[i] = partCode(given?.[i])
  const partOf = new Uint8Array(groups.count)
  for (const [label, members] of freeGroups(labels, groups, part)) {
    const order = random.fork('split', label).shuffle(members)
    const held = heldOut(order.length, shares)
    for (const [k, group] of order.entries())
      partOf[group] = k < held.validation ? VALIDATION : k < held.validation + held.test ? TEST : TRAIN
  }
  return partsOf(part, partOf, groups)
}

/** Groups by number, in the order in which they first occur. */
export interface Groups {
  readonly count: number
  /** Group of each sample, (N). */
  readonly of: Int32Array
}

export function groupSamples(n: number, keys?: ArrayLike<number>): Groups {
  const of = new Int32Array(n)
  if (keys === undefined) {
    for (let i = 0; i < n; i++) of[i] = i
    return { count: n, of }
  }
  const numbers = new Map<number, number>()
  for (let i = 0; i < n; i++) {
    const key = keys[i]!
    let number = numbers.get(key)
    if (number === undefined) {
      number = numbers.size
      numbers.set(key, number)
    }
    of[i] = number
  }
  return { count: numbers.size, of }
}

const [TRAIN, VALIDATION, TEST] = [0, 1, 2]

/** A part as a small number; what the data does not place trains until it is taken. */
export function partCode(split: Split | undefined): number {
  return split === 'validation' ? VALIDATION : split === 'test' ? TEST : TRAIN
}

/**
 * 1 for each group that may be divided. A group with a member that the data puts into validation or test stays where it is:
 * moving its other members would hide the leak that is reported.
 */
export function divisible(groups: Groups, part: Uint8Array): Uint8Array {
  const free = new Uint8Array(groups.count).fill(1)
  for (const [i, group] of groups.of.entries()) if (part[i] !== TRAIN) free[group] = 0
  return free
}

/** The groups that may be divided, by the label of their first sample. */
function freeGroups(labels: ArrayLike<number>, groups: Groups, part: Uint8Array): Map<number, number[]> {
  const free = divisible(groups, part)
  const byLabel = new Map<number, number[]>()
  for (const [i, group] of groups.of.entries()) {
    if (free[group] === 0) continue
    free[group] = 0
    const label = labels[i]!
    const members = byLabel.get(label)
    if (members === undefined) byLabel.set(label, [group])
    else members.push(group)
  }
  return byLabel
}

/** @param partOf the part of each group: its samples that the data has not placed elsewhere go there */
export function partsOf(part: Uint8Array, partOf: Uint8Array, groups: Groups): SplitResult {
  const counts = [0, 0, 0]
  for (const [i, group] of groups.of.entries()) {
    if (part[i] === TRAIN) part[i] = partOf[group]!
    counts[part[i]!]! += 1
  }
  const positions = counts.map((count) => new Int32Array(count))
  const filled = [0, 0, 0]
  for (const [i, code] of part.entries()) positions[code]![filled[code]!++] = i
  const [train, validation, test] = positions
  return { train: train!, validation: validation!, test: test! }
}

/** Groups to take from n of a class. */
function heldOut(n: number, shares: { validation: number; test: number }): { validation: number; test: number } {
  const wanted = { validation: Math.round(n * shares.validation), test: Math.round(n * shares.test) }
  if (shares.validation > 0) wanted.validation = Math.max(1, wanted.validation)
  if (shares.test > 0) wanted.test = Math.max(1, wanted.test)
  // Training keeps one; what that costs is taken from the test first, then from validation.
  let spare = Math.max(0, n - 1)
  const validation = Math.min(wanted.validation, spare)
  spare -= validation
  return { validation, test: Math.min(wanted.test, spare) }
}

/**
 * The shares that are to be taken: none where the data gives the part.
 *
 * @throws UsageError where they are no shares or leave nothing to train on
 */
export function wantedShares(options: Pick<SplitOptions, 'given' | 'validation' | 'test'>): {
  validation: number
  test: number
} {
  const has = (split: Split) => options.given?.includes(split) === true
  const [validation, test] = [share('validation', options.validation), share('test', options.test)]
  const shares = { validation: has('validation') ? 0 : validation, test: has('test') ? 0 : test }
  if (shares.validation + shares.test < 1) return shares
  throw new UsageError(
    `validation ${shares.validation} and test ${shares.test} leave nothing to train on, expected a sum below 1`,
  )
}

function share(name: string, value: number): number {
  if (value >= 0 && value < 1) return value
  throw new UsageError(`${name} is ${value}, expected a share from 0 to below 1`)
}
