/** What the report of a generalisation shows besides the usual: every way of training, scored on places that it had not seen. */
import type { Difference, Interval } from '../intervals.js'

export interface GeneralisationRow {
  readonly name: string
  readonly title: string
  readonly paper?: string | undefined
  readonly kept: boolean
  /** Accuracy on each place by a model of the others, in the order of the places. */
  readonly places: readonly (Interval & { readonly value: number })[]
  /** Over places, each counting alike. */
  readonly mean: number
  /** In `mean`, to training on all together. */
  readonly gain?: Difference | undefined
  readonly seconds: number
}

export interface GeneralisationReport {
  readonly places: readonly { readonly name: string; readonly n: number }[]
  /** Sentences: how the choice came about. */
  readonly reasons: readonly string[]
  readonly rows: readonly GeneralisationRow[]
}
