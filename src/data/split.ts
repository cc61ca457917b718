/**
 * Divides photos into training, validation and test by a seed, each class in proportion, with all copies of a photo on one
 * side. Works on labels and groups alone.
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
  const shares = { validation: share('validation', options.validation), test: share('test', options.test) }
  const has = (split: Split) => given?.includes(split) === true
  if (has('validation')) shares.validation = 0
  if (has('test')) shares.test = 0
  if (shares.validation + shares.test >= 1)
    throw new UsageError(
      `validation ${shares.validation} and test ${shares.test} leave nothing to train on, expected a sum below 1`,
    )
  const part: Split[] = Array.from({ length: n }, (_, i) => given?.[i] ?? 'train')
  for (const [label, groups] of groupsByLabel(options, part)) {
    const order = random.fork('split', label).shuffle(groups)
    const held = heldOut(order.length, shares)
    for (const [k, group] of order.entries()) {
      const to = k < held.validation ? 'validation' : k < held.validation + held.test ? 'test' : 'train'
      for (const i of group) part[i] = to
    }
  }
  const positions = (split: Split) => Int32Array.from(part.flatMap((found, i) => (found === split ? [i] : [])))
  return { train: positions('train'), validation: positions('validation'), test: positions('test') }
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
 * The groups that may be divided, by the label of their first photo. A group with a member that the data puts into
 * validation or test stays where it is: moving its other members would hide the leak that is reported.
 */
function groupsByLabel(options: SplitOptions, part: readonly Split[]): Map<number, number[][]> {
  const members = new Map<number, number[]>()
  for (let i = 0; i < part.length; i++) {
    const key = options.groups?.[i] ?? i
    const group = members.get(key)
    if (group === undefined) members.set(key, [i])
    else group.push(i)
  }
  const byLabel = new Map<number, number[][]>()
  for (const group of members.values()) {
    if (group.some((i) => part[i] !== 'train')) continue
    const label = options.labels[group[0]!]!
    const groups = byLabel.get(label)
    if (groups === undefined) byLabel.set(label, [group])
    else groups.push(group)
  }
  return byLabel
}

function share(name: string, value: number): number {
  if (value >= 0 && value < 1) return value
  throw new UsageError(`${name} is ${value}, expected a share from 0 to below 1`)
}
