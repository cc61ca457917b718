/**
 * Divides samples with targets of any kind into training, validation and test: classes in proportion, numbers by quantiles,
 * several labels a sample (and labels of words) by iterative stratification.
 */
import type { Random } from '../base/random.js'
import {
  divisible,
  groupSamples,
  partCode,
  partsOf,
  type SplitOptions,
  type SplitResult,
  splitPhotos,
  wantedShares,
} from './split.js'
import { countOf, outputsOf, type Targets } from './targets.js'

export interface SampleSplitOptions extends Omit<SplitOptions, 'labels'> {
  /** Undefined: samples without labels, divided by chance. */
  readonly targets: Targets | undefined
  /** How many samples there are; needed where there are no targets. */
  readonly count?: number | undefined
}

/** Quantiles that numbers are divided by, at most; each has at least as many samples. */
const QUANTILES = 10

/**
 * Each class, or each tenth of the numbers, is divided as {@link splitPhotos} says. For several labels a sample see
 * {@link stratify}.
 *
 * @throws UsageError where the shares are no shares or leave nothing to train on
 */
export function splitSamples(options: SampleSplitOptions): SplitResult {
  const { targets } = options
  switch (targets?.kind) {
    case undefined:
      return splitPhotos({ ...options, labels: new Int32Array(options.count ?? 0) })
    case 'single-label':
    case 'ordinal':
      return splitPhotos({ ...options, labels: targets.labels })
    case 'number':
      return splitPhotos({ ...options, labels: quantilesOf(targets.values) })
    default:
      return stratify({ ...options, targets: targets! })
  }
}

/**
 * The quantile of each number, 0 ... q - 1, with `q = min(10, floor(n / 10))`; equal numbers share one. Unknown numbers (NaN)
 * are a group of their own, -1.
 */
export function quantilesOf(values: Float64Array): Int32Array {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort()
  const quantiles = Math.max(1, Math.min(QUANTILES, Math.floor(sorted.length / QUANTILES)))
  return Int32Array.from(values, (value) => {
    return Number.isNaN(value) ? -1 : Math.floor((lowerBound(sorted, value) * quantiles) / sorted.length)
  })
}

/** How many of the sorted numbers are less. */
function lowerBound(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): the label with the fewest samples left is dealt out first,
 * each of its samples to the part that lacks most of that label, then to the part that lacks most samples; training takes
 * what is equal. Groups are dealt out whole.
 */
function stratify(options: SampleSplitOptions & { readonly targets: Targets }): SplitResult {
  const { targets, given, random } = options
  const n = countOf(targets)
  const shares = wantedShares(options)
  const groups = groupSamples(n, options.groups)
  const part = new Uint8Array(n)
  for (let i = 0; i < n; i++) part[i] = partCode(given?.[i])
  const free = divisible(groups, part)
  const deal = new Deal(
    groupLabels(targets, groups.of, free),
    sizesOf(groups.of, groups.count, free),
    outputsOf(targets),
    [1 - shares.validation - shares.test, shares.validation, shares.test],
  )
  return partsOf(part, deal.parts(free, random.fork('stratify')), groups)
}

function sizesOf(of: Int32Array, count: number, free: Uint8Array): Int32Array {
  const sizes = new Int32Array(count)
  for (const group of of) if (free[group] === 1) sizes[group]! += 1
  return sizes
}

/** For each group its labels with how many of its samples have each; empty for groups that stay. */
function groupLabels(targets: Targets, of: Int32Array, free: Uint8Array): Map<number, number>[] {
  const labels: Map<number, number>[] = []
  const add = (group: number, label: number) => {
    const found = labels[group] ?? new Map<number, number>()
    labels[group] = found
    found.set(label, (found.get(label) ?? 0) + 1)
  }
  for (const [i, group] of of.entries()) {
    if (free[group] === 0) continue
    if (targets.kind === 'multi-label') {
      const width = targets.classes.length
      for (let c = 0; c < width; c++) if (targets.labels[i * width + c] === 1) add(group, c)
    } else if (targets.kind === 'token-labels')
      for (const label of new Set(targets.labels[i])) if (label >= 0) add(group, label)
  }
  return labels
}

class Deal {
  readonly #labels: readonly (ReadonlyMap<number, number> | undefined)[]
  readonly #sizes: Int32Array
  readonly #width: number
  /** Samples that each part still wants. */
  readonly #wanted: number[]
  /** Samples of each label that each part still wants, (parts, C). */
  readonly #wantedOf: Float64Array[]
  /** Samples of each label that are left. */
  readonly #left: Float64Array
  readonly #shares: readonly number[]

  constructor(
    labels: readonly (ReadonlyMap<number, number> | undefined)[],
    sizes: Int32Array,
    width: number,
    shares: readonly number[],
  ) {
    this.#labels = labels
    this.#sizes = sizes
    this.#width = width
    this.#shares = shares
    this.#left = new Float64Array(width)
    for (const found of labels) for (const [label, times] of found ?? []) this.#left[label]! += times
    const total = sizes.reduce((sum, size) => sum + size, 0)
    this.#wanted = shares.map((share) => share * total)
    this.#wantedOf = shares.map((share) => this.#left.map((count) => share * count))
  }

  /** The part of each group. */
  parts(free: Uint8Array, random: Random): Uint8Array {
    const parts = new Uint8Array(this.#sizes.length)
    const open = Uint8Array.from(free)
    const order = random.permutation(this.#sizes.length)
    const byLabel = Array.from({ length: this.#width }, (): number[] => [])
    for (const group of order) for (const label of this.#labels[group]?.keys() ?? []) byLabel[label]!.push(group)
    for (let label = this.#rarest(); label !== undefined; label = this.#rarest()) {
      for (const group of byLabel[label]!) if (open[group] === 1) parts[group] = this.#give(group, label, open)
      this.#left[label] = 0
    }
    for (const group of order) if (open[group] === 1) parts[group] = this.#give(group, undefined, open)
    for (const part of [1, 2]) if (this.#shares[part]! > 0) this.#fill(part, parts, free, order)
    return parts
  }

  /** A part that was wanted and got nothing takes one group from training, if possible one whose labels stay there. */
  #fill(part: number, parts: Uint8Array, free: Uint8Array, order: Int32Array): void {
    const training = [...order].filter((group) => free[group] === 1 && parts[group] === 0)
    if (training.length < 2 || order.some((group) => free[group] === 1 && parts[group] === part)) return
    const counts = new Float64Array(this.#width)
    for (const group of training) for (const [label, times] of this.#labels[group] ?? []) counts[label]! += times
    const spared = training.find((group) =>
      [...(this.#labels[group] ?? [])].every(([label, times]) => counts[label]! > times),
    )
    parts[spared ?? training[0]!] = part
  }

  /** The label with the fewest samples left, but some. */
  #rarest(): number | undefined {
    let best: number | undefined
    for (const [label, count] of this.#left.entries())
      if (count > 0 && (best === undefined || count < this.#left[best]!)) best = label
    return best
  }

  #give(group: number, label: number | undefined, open: Uint8Array): number {
    const lacks = (part: number) => (label === undefined ? 0 : this.#wantedOf[part]![label]!)
    let best = 0
    for (const part of [1, 2]) {
      const more = lacks(part) - lacks(best)
      if (more > 1e-9 || (Math.abs(more) <= 1e-9 && this.#wanted[part]! > this.#wanted[best]! + 1e-9)) best = part
    }
    open[group] = 0
    this.#wanted[best]! -= this.#sizes[group]!
    for (const [of, times] of this.#labels[group] ?? []) {
      this.#wantedOf[best]![of]! -= times
      this.#left[of]! -= times
    }
    return best
  }
}
