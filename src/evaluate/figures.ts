/** The one figure that an evaluation is told by, and how it reads. */
import type { Evaluation } from './evaluation.js'
import { percent, percentInterval } from './format.js'
import type { Interval } from './intervals.js'

export interface Figure {
  readonly name: string
  readonly value: number
  readonly interval: Interval
  /** A share, read in percent. */
  readonly share: boolean
}

/** Accuracy; of several labels micro F1; of a number R2; of words entity F1 where there are entities. */
export function mainFigure(evaluation: Evaluation): Figure {
  switch (evaluation.kind) {
    case 'classes':
      return { name: 'accuracy', value: evaluation.accuracy, interval: evaluation.accuracyInterval, share: true }
    case 'labels':
      return { name: 'micro F1', value: evaluation.microF1, interval: evaluation.microF1Interval, share: true }
    case 'number':
      return { name: 'R2', value: evaluation.r2, interval: evaluation.r2Interval, share: false }
    case 'words': {
      const { entities } = evaluation
      return entities === undefined
        ? { name: 'accuracy', value: evaluation.accuracy, interval: evaluation.accuracyInterval, share: true }
        : { name: 'entity F1', value: entities.f1, interval: entities.f1Interval, share: true }
    }
  }
}

/** The second figure, where there is one that says more. */
export function secondFigure(evaluation: Evaluation): Figure | undefined {
  switch (evaluation.kind) {
    case 'classes': {
      const { order } = evaluation
      return order === undefined
        ? { name: 'macro F1', value: evaluation.macroF1, interval: evaluation.macroF1Interval, share: true }
        : { name: 'mean distance in classes', value: order.mae, interval: order.maeInterval, share: false }
    }
    case 'labels':
    case 'words':
      return { name: 'macro F1', value: evaluation.macroF1, interval: evaluation.macroF1Interval, share: true }
    case 'number':
      return { name: 'mean absolute error', value: evaluation.mae, interval: evaluation.maeInterval, share: false }
  }
}

/** '87.6%', '0.812'. */
export function figureText({ value, share }: Pick<Figure, 'value' | 'share'>): string {
  return share ? percent(value) : plain(value)
}

/** '84.1 to 90.3%', '0.78 to 0.84'. */
export function intervalText({ interval, share }: Pick<Figure, 'interval' | 'share'>): string {
  return share ? percentInterval(interval) : `${plain(interval.low)} to ${plain(interval.high)}`
}

/** Three figures that count. */
function plain(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : 'not known'
}
