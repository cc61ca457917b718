/** What a training on several tasks leaves for the report: means over each epoch, kept as sums so that it can be resumed. */

/** Of one epoch. */
export interface TaskMeans {
  /** From 0. */
  readonly epoch: number
  /** Of the steps in which the task was present; NaN where there were none. */
  readonly losses: readonly number[]
  readonly weights: readonly number[]
  /** (K, K); undefined where gradients were never compared. */
  readonly cosines: readonly (readonly number[])[] | undefined
}

interface Sums {
  readonly epoch: number
  readonly counts: readonly number[]
  readonly losses: readonly number[]
  readonly weights: readonly number[]
  /** K * K: how often the cosine of two tasks was seen, and their sum. */
  readonly seen: readonly number[]
  readonly cosines: readonly number[]
}

/** Plain numbers. */
export type EpochSums = Sums

export interface StepRecord {
  readonly losses: readonly number[]
  readonly weights: readonly number[]
  readonly present: readonly boolean[]
  /** K * K, NaN where one of the two tasks has no gradient. */
  readonly cosines: Float64Array | undefined
}

/** The sums with one more step of this epoch. */
export function withStep(all: readonly EpochSums[], epoch: number, step: StepRecord): readonly EpochSums[] {
  const tasks = step.losses.length
  const last = all.at(-1)
  const own = last?.epoch === epoch ? last : emptySums(epoch, tasks)
  const added = (sums: readonly number[], values: ArrayLike<number>, counts: (i: number) => boolean) =>
    sums.map((sum, i) => (counts(i) ? sum + values[i]! : sum))
  const there = (k: number) => step.present[k] === true
  const { cosines } = step
  const compared = (i: number) => cosines !== undefined && !Number.isNaN(cosines[i])
  const ones = new Array<number>(tasks * tasks).fill(1)
  const next: EpochSums = {
    epoch,
    counts: added(own.counts, ones, there),
    losses: added(own.losses, step.losses, there),
    weights: added(own.weights, step.weights, there),
    seen: added(own.seen, ones, compared),
    cosines: added(own.cosines, cosines ?? [], compared),
  }
  return own === last ? [...all.slice(0, -1), next] : [...all, next]
}

function emptySums(epoch: number, tasks: number): EpochSums {
  const zeros = (n: number) => new Array<number>(n).fill(0)
  return {
    epoch,
    counts: zeros(tasks),
    losses: zeros(tasks),
    weights: zeros(tasks),
    seen: zeros(tasks * tasks),
    cosines: zeros(tasks * tasks),
  }
}

/** Sums as means. */
export function meansOf({ epoch, counts, losses, weights, seen, cosines }: EpochSums): TaskMeans {
  const tasks = counts.length
  const mean = (sums: readonly number[]) => sums.map((sum, k) => (counts[k]! > 0 ? sum / counts[k]! : Number.NaN))
  return {
    epoch,
    losses: mean(losses),
    weights: mean(weights),
    cosines: seen.every((n) => n === 0)
      ? undefined
      : Array.from({ length: tasks }, (_, i) =>
          Array.from({ length: tasks }, (_own, j) => {
            const at = i * tasks + j
            return seen[at]! > 0 ? cosines[at]! / seen[at]! : Number.NaN
          }),
        ),
  }
}

/** Cosines (K, K) between gradients from their inner products; NaN where a task is not present or its gradient is 0. */
export function cosinesOf(gram: Float64Array, present: readonly boolean[]): Float64Array {
  const tasks = present.length
  return Float64Array.from(gram, (product, at) => {
    const i = Math.floor(at / tasks)
    const j = at % tasks
    if (!present[i] || !present[j]) return Number.NaN
    const norm = Math.sqrt(gram[i * tasks + i]! * gram[j * tasks + j]!)
    return norm > 0 ? product / norm : Number.NaN
  })
}
