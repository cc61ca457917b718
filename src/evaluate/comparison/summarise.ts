/** Several ways of training, each once or with several seeds, as one row each. */
import { overSeeds } from '../overSeeds.js'

/** One way with one seed. */
export interface ComparedRun {
  readonly name: string
  readonly seed: number
  /** What was measured: 'accuracy', 'micro F1', 'R2', ... */
  readonly figure: string
  /** A share, read in percent. */
  readonly share: boolean
  readonly value: number
  /** Of this run's test samples. */
  readonly low: number
  readonly high: number
  readonly n: number
  /** Training alone. */
  readonly seconds: number
  /** Of the process. */
  readonly peakBytes?: number | undefined
  /** Numbers that trained; undefined where there are none to count. */
  readonly trainable?: number | undefined
}

export interface ComparedMethod {
  readonly name: string
  readonly figure: string
  readonly share: boolean
  /** Mean over the seeds. */
  readonly value: number
  /** Of the mean over seeds by Student's t where there are several, else of the one run's test samples. 95 %. */
  readonly low: number
  readonly high: number
  readonly seeds: number
  readonly n: number
  /** Mean. */
  readonly seconds: number
  /** Highest. */
  readonly peakBytes: number | undefined
  readonly trainable: number | undefined
  /** What is particular to the task, in float32: what has to be kept beside the backbone. */
  readonly bytes: number | undefined
}

/** In the order of the names; what has no run is left out. */
export function summarise(names: readonly string[], runs: readonly ComparedRun[]): ComparedMethod[] {
  return names.flatMap((name) => {
    const own = runs.filter((run) => run.name === name)
    const [first] = own
    if (first === undefined) return []
    const interval = own.length > 1 ? overSeeds(own.map((run) => run.value)) : first
    const peaks = own.flatMap((run) => run.peakBytes ?? [])
    return [
      {
        name,
        figure: first.figure,
        share: first.share,
        value: mean(own.map((run) => run.value)),
        low: interval.low,
        high: interval.high,
        seeds: own.length,
        n: first.n,
        seconds: mean(own.map((run) => run.seconds)),
        peakBytes: peaks.length > 0 ? Math.max(...peaks) : undefined,
        trainable: first.trainable,
        bytes: first.trainable === undefined ? undefined : 4 * first.trainable,
      },
    ]
  })
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
