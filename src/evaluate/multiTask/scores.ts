/**
 * How well a model does each of several tasks, sample by sample, so that two models can be compared on the same samples: every
 * figure is a quotient of two sums over samples, and any resample of the samples gives it anew.
 */
import { argmaxRows, type Matrix, row } from '../../base/matrix.js'

/** What is known of the samples for one task. */
export interface ScoredTask {
  readonly name: string
  readonly targets:
    | { readonly kind: 'single-label' | 'ordinal'; readonly labels: Int32Array }
    | {
        readonly kind: 'multi-label'
        readonly classes: readonly string[]
        readonly labels: Uint8Array
        readonly known?: Uint8Array
      }
    | { readonly kind: 'number'; readonly values: Float64Array }
}

/** A task's figure as sum(numerator) / sum(denominator) over samples. */
export interface TaskScores {
  readonly name: string
  /** accuracy, or of several labels micro F1: higher is better; of a number the mean absolute error: lower is. */
  readonly measure: 'accuracy' | 'micro F1' | 'mean absolute error'
  /** (N) */
  readonly numerator: Float64Array
  /** (N); 0 for a sample that the task does not know. */
  readonly denominator: Float64Array
}

/** Whether more is better. */
export function higherIsBetter({ measure }: Pick<TaskScores, 'measure'>): boolean {
  return measure !== 'mean absolute error'
}

/** @param logits (N, C_k) of the same samples; a number in its own unit */
export function taskScores({ name, targets }: ScoredTask, logits: Matrix): TaskScores {
  const n = logits.rows
  const numerator = new Float64Array(n)
  const denominator = new Float64Array(n)
  switch (targets.kind) {
    case 'number': {
      targets.values.forEach((value, i) => {
        if (Number.isNaN(value)) return
        numerator[i] = Math.abs(value - logits.data[i]!)
        denominator[i] = 1
      })
      return { name, measure: 'mean absolute error', numerator, denominator }
    }
    case 'multi-label': {
      const width = targets.classes.length
      for (let i = 0; i < n; i++) {
        if (targets.known?.[i] === 0) continue
        row(logits, i).forEach((z, c) => {
          const [said, is] = [z > 0 ? 1 : 0, targets.labels[i * width + c]!]
          numerator[i]! += 2 * said * is
          denominator[i]! += said + is
        })
      }
      return { name, measure: 'micro F1', numerator, denominator }
    }
    default: {
      argmaxRows(logits).forEach((said, i) => {
        const label = targets.labels[i]!
        if (label < 0) return
        numerator[i] = said === label ? 1 : 0
        denominator[i] = 1
      })
      return { name, measure: 'accuracy', numerator, denominator }
    }
  }
}

/** The figure over some samples, or over all; NaN where none of them counts. */
export function figureOf({ numerator, denominator }: TaskScores, rows?: Int32Array): number {
  let [above, below] = [0, 0]
  if (rows === undefined) {
    for (let i = 0; i < numerator.length; i++) {
      above += numerator[i]!
      below += denominator[i]!
    }
  } else
    for (const i of rows) {
      above += numerator[i]!
      below += denominator[i]!
    }
  return above / below
}
