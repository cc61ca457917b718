/** What the report of an adaptation shows besides the usual: how the choice was made without labels, and what it changed. */
import type { Difference, Interval } from '../intervals.js'
import type { DomainMap } from '../maps/chart.js'
import type { Picture } from './data.js'

/** A figure that is computed without labels of the target; higher is better. */
export interface ValidatorTitle {
  readonly name: string
  readonly title: string
  readonly paper: string
}

export interface AdaptedRow {
  readonly name: string
  readonly title: string
  readonly paper?: string | undefined
  readonly kept: boolean
  /** In the order of the validators; undefined where one has nothing to judge by. */
  readonly scores: readonly (number | undefined)[]
  /**
   * By how much it is expected to be right more often on the target than the source-only model, as a share: the least and the most
   * over the readings that the target's features allow. Undefined where nothing can be said.
   */
  readonly expected?: Interval | undefined
  /** By what the choice orders candidates, with its 90% interval; higher is better. */
  readonly score?: (Interval & { readonly value: number }) | undefined
  /** Why it may not be chosen; empty where it may. */
  readonly doubts: readonly string[]
  /** Share of the target's samples that it answers otherwise than the source-only model. */
  readonly changed: number
  readonly seconds: number
  /** Milliseconds a step. */
  readonly stepMs?: number | undefined
  /** By labels of the target, where there are any: they choose nothing. */
  readonly accuracy?: (Interval & { readonly value: number }) | undefined
}

/** Shares of the classes, by class. */
export interface ClassShares {
  readonly source: number
  /** Of the target, as the source-only model answers. */
  readonly before: number
  /** As the kept model answers. */
  readonly after: number
  /** As it is, where the target has labels. */
  readonly truth?: number | undefined
}

/** A target sample of which the kept model says something else than the source-only one. */
export interface ChangedAnswer extends Picture {
  readonly before: number
  readonly after: number
  /** Probability of the new answer. */
  readonly confidence: number
}

/** Measured by labels of the target. */
export interface TargetTruth {
  readonly n: number
  readonly before: Interval & { readonly value: number }
  readonly after: Interval & { readonly value: number }
  /** After minus before, on the same samples. */
  readonly difference: Difference
  /** What they are: 'all labels of the target', '20 labelled samples'. */
  readonly labels: string
  /** Classes of the target that the sources do not have: their samples are counted as wrong or, in the open setting, as unknown. */
  readonly others: readonly string[]
}

/** Two domains drawn as points of a plane. */
export interface TitledMap {
  readonly title: string
  /** What the map is good for. */
  readonly note: string
  readonly map: DomainMap
}

export interface AdaptationReport {
  readonly sources: readonly string[]
  readonly target: string
  readonly samples: { readonly source: number; readonly target: number }
  /** Titles. */
  readonly baseline: string
  readonly chosen: string
  /** Whether the kept model is the source-only one. */
  readonly unchanged: boolean
  /** Sentences: how the choice came about. */
  readonly reasons: readonly string[]
  /** Sentences: how well the validators agree. */
  readonly agreement: string
  readonly validators: readonly ValidatorTitle[]
  readonly candidates: readonly AdaptedRow[]
  readonly failed: readonly { readonly title: string; readonly reason: string }[]
  readonly classes: readonly ClassShares[]
  readonly changed: { readonly count: number; readonly n: number; readonly examples: readonly ChangedAnswer[] }
  readonly maps: readonly TitledMap[]
  /** Proxy A-distance (0: cannot be told apart, 2: always can) before and after, where it was measured. */
  readonly distance?: { readonly before: number; readonly after: number } | undefined
  readonly truth?: TargetTruth | undefined
}
