/** Adam on the few numbers that a rule learns beside the network. */
import type { Memory } from './weighting.js'

const BETA1 = 0.9
const BETA2 = 0.999
const EPSILON = 1e-8

/** What {@link adamStep} keeps for n numbers, to go into a rule's memory. */
export function adamStart(n: number): {
  readonly first: number[]
  readonly second: number[]
  readonly counts: number[]
} {
  const zeros = () => new Array<number>(n).fill(0)
  return { first: zeros(), second: zeros(), counts: zeros() }
}

/**
 * One step of Adam (Kingma and Ba 2015, arXiv:1412.6980) with its default betas on `values`; entries whose gradient is undefined
 * stay as they are, and their count of steps too.
 *
 * @param memory with `first`, `second` and `counts` of {@link adamStart}
 */
export function adamStep(
  values: readonly number[],
  gradient: readonly (number | undefined)[],
  memory: Memory,
  rate: number,
): { values: number[]; first: number[]; second: number[]; counts: number[] } {
  const next = {
    values: [...values],
    first: [...memory.first!],
    second: [...memory.second!],
    counts: [...memory.counts!],
  }
  gradient.forEach((g, i) => {
    if (g === undefined) return
    const t = next.counts[i]! + 1
    const m = BETA1 * next.first[i]! + (1 - BETA1) * g
    const v = BETA2 * next.second[i]! + (1 - BETA2) * g * g
    next.counts[i] = t
    next.first[i] = m
    next.second[i] = v
    next.values[i]! -= (rate * (m / (1 - BETA1 ** t))) / (Math.sqrt(v / (1 - BETA2 ** t)) + EPSILON)
  })
  return next
}
