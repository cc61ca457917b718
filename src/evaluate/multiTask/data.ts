/** Everything that the report of a run on several tasks shows, as plain data. All texts are plain text: the report escapes them. */
import type { Evaluation } from '../evaluation.js'
import type { Reproduction, Resources, SampleNouns, Skipped, Warning } from '../report/data.js'
import type { DeltaMtl } from './delta.js'
import type { TaskScores } from './scores.js'

/** One way of making the answers. */
export interface ReportedSystem {
  /** 'shared', 'equal', 'single', 'probe', 'constant': short, all different. */
  readonly key: string
  /** 'One network for all tasks, PCGrad'. */
  readonly name: string
  /** By task, on the samples that measure: accuracy, micro F1 or the mean absolute error; undefined where there is none. */
  readonly figures: readonly (number | undefined)[]
  /** Training time. */
  readonly seconds?: number | undefined
  readonly steps?: number | undefined
  /** Of a step, and the part of it that looking at gradients or losses again takes. */
  readonly stepMs?: number | undefined
  readonly probeMs?: number | undefined
  /** It is the one that is saved. */
  readonly kept: boolean
}

export interface ReportedTask {
  readonly name: string
  readonly kind: 'single-label' | 'ordinal' | 'multi-label' | 'number'
  /** It counts; others train along. */
  readonly main: boolean
  readonly measure: TaskScores['measure']
  /** Classes, or what the number is. */
  readonly labels: readonly string[]
  /** Of the saved network; undefined where no sample measures it. */
  readonly evaluation: Evaluation | undefined
  /** Training together did not lower its loss on the samples that choose, so it has the linear head that it began with. */
  readonly began?: boolean | undefined
  /** Samples of each part that have its label. */
  readonly known: { readonly train: number; readonly validation: number; readonly test: number }
}

/** Means over an epoch of training; lists have an entry a task. */
export interface ReportedEpoch {
  /** From 1. */
  readonly epoch: number
  readonly losses: readonly number[]
  readonly weights: readonly number[]
  /** (K, K); undefined where gradients were not compared. */
  readonly cosines: readonly (readonly number[])[] | undefined
  readonly validationLosses: readonly (number | undefined)[]
  readonly validationValues: readonly (number | undefined)[]
}

/** The course of one training. */
export interface ReportedCourse {
  readonly name: string
  /** Tasks that it trains, by their positions. */
  readonly tasks: readonly number[]
  readonly history: readonly ReportedEpoch[]
  /** The kept epoch, from 1; 0 is what training began with. */
  readonly kept: number
}

export interface ReportedMethod {
  readonly name: string
  readonly title: string
  readonly paper: string
}

export interface TaskReport {
  readonly title: string
  readonly nouns: SampleNouns
  /** What was done, in a sentence. */
  readonly summary: string
  readonly footer: string
  /** The samples that measure: 'test', 'held-out test'. */
  readonly on: string
  /** How many there are. */
  readonly n: number
  readonly weighting: ReportedMethod
  readonly architecture: ReportedMethod
  readonly tasks: readonly ReportedTask[]
  readonly systems: readonly ReportedSystem[]
  /** The saved network against the single-task models, over the main tasks. */
  readonly delta?: DeltaMtl | undefined
  /** The same of equal weights, where another weighting was chosen. */
  readonly equalDelta?: DeltaMtl | undefined
  /** The chosen weighting against equal weights. */
  readonly overEqual?: DeltaMtl | undefined
  /** The saved network against linear heads on the frozen features. */
  readonly probeDelta?: DeltaMtl | undefined
  /** How much training the single-task models got, in a sentence. */
  readonly budget?: string | undefined
  /** The shared network first. */
  readonly courses: readonly ReportedCourse[]
  /** Whose gradients the cosines are of. */
  readonly gradientsOf: string
  /** Tasks that are best learned together, by name. */
  readonly groups?: readonly (readonly string[])[] | undefined
  readonly warnings: readonly Warning[]
  readonly data: {
    readonly source: string
    readonly splitRule: string
    readonly parts: readonly { readonly name: string; readonly total: number }[]
  }
  readonly skipped?: { readonly total: number; readonly items: readonly Skipped[] } | undefined
  readonly resources: Resources
  readonly reproduction: Reproduction
}

/** Positions of the main tasks. */
export function mainTasks({ tasks }: Pick<TaskReport, 'tasks'>): number[] {
  return tasks.flatMap(({ main }, k) => (main ? [k] : []))
}
