/** What is told of two domains beside each other. */
import type { Interval } from '../intervals.js'
import type { TitledMap } from './adaptationData.js'
import type { Picture } from './data.js'

/** One way of measuring how far two sets of samples lie apart. */
export interface ShiftMeasure {
  readonly title: string
  readonly value: number
  readonly interval?: Interval | undefined
  /** Of the hypothesis that both are of one kind. */
  readonly pValue?: number | undefined
  /** What the value says, for people. */
  readonly says: string
  readonly paper: string
}

/** How a class of the source fares in the target. */
export interface ClassShift {
  readonly name: string
  /** Share of the source. */
  readonly source: number
  /** Estimated share of the target. */
  readonly target: number
  readonly interval?: Interval | undefined
  /** How far the class's samples moved, in standard deviations of the source class; undefined where the target has too few. */
  readonly moved?: number | undefined
  /** It moved by more than chance. */
  readonly significant?: boolean | undefined
}

export interface ShiftReport {
  readonly source: string
  readonly target: string
  readonly samples: { readonly source: number; readonly target: number }
  /** A sentence: whether and how much they differ. */
  readonly verdict: string
  readonly measures: readonly ShiftMeasure[]
  /** Where the source has labels. */
  readonly classes: readonly ClassShift[]
  /** How the shares were estimated, and when that holds. */
  readonly classNote?: string | undefined
  /** Samples of the target that are most and least like the source. */
  readonly alike: readonly Picture[]
  readonly unlike: readonly Picture[]
  readonly maps: readonly TitledMap[]
}
