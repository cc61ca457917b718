/** What the measurements behind `--benefits` share. */
import { argmaxRows, type Matrix } from '../../base/matrix.js'
import type { Model } from '../../graph/graph.js'
import type { Choice } from './choose.js'
import type { Judged } from './judge.js'
import type { Workspace } from './workspace.js'

/** What one of the measurements may use. */
export interface BenefitContext {
  readonly work: Workspace
  readonly choice: Choice
  readonly model: Model
  readonly judged: Judged
  /** The class of each judged sample. */
  readonly labels: Int32Array
  /** Seconds left of the budget. */
  left(): number
  note(text: string): void
}

/** 1 for each sample that was named right, 0 for the others. */
export function correctness(logits: Matrix, labels: Int32Array): Float64Array {
  return Float64Array.from(argmaxRows(logits), (predicted, i) => (predicted === labels[i] ? 1 : 0))
}
