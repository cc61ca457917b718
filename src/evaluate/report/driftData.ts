/** What is told of new samples beside what a model was trained on. */
import type { Picture } from './data.js'

export interface DriftReport {
  /** Whether any test finds a difference, corrected for their number. */
  readonly found: boolean
  readonly verdict: string
  /** Share of harmless data for which an alarm may be raised. */
  readonly alpha: number
  readonly tests: readonly {
    readonly title: string
    readonly paper: string
    readonly statistic: number
    readonly pValue: number
    /** Corrected for the number of tests (Holm 1979). */
    readonly adjusted: number
  }[]
  readonly scores: readonly {
    readonly title: string
    readonly paper: string
    readonly threshold: number
    /** Of the new samples above the threshold. */
    readonly share: number
  }[]
  /** Share of the samples that is given each class. */
  readonly answers: readonly number[]
  /** The furthest first. */
  readonly strange: readonly (Picture & { readonly said: string; readonly pValue: number })[]
}
