/** Figures of a model that was trained further, for the classes that it knew before and those that it learnt then. */
import type { Evaluation } from './evaluation.js'
import { type Interval, wilsonInterval } from './intervals.js'

/** Of the samples whose true class is among some. */
export interface PartFigures {
  readonly n: number
  readonly accuracy: number
  /** Wilson, 95 %. */
  readonly accuracyInterval: Interval
}

/**
 * The evaluation with `old` and `new`, each where there are samples of such classes.
 *
 * @param known the classes before; undefined changes nothing
 */
export function withOldAndNew<E extends Evaluation>(evaluation: E, known: readonly string[] | undefined): E {
  if (known === undefined || evaluation.kind !== 'classes') return evaluation
  const { perClass, confusion } = evaluation
  const of = (old: boolean): PartFigures | undefined => {
    let [n, right] = [0, 0]
    perClass.forEach(({ name }, c) => {
      if (known.includes(name) !== old) return
      n += confusion[c]!.reduce((sum, count) => sum + count, 0)
      right += confusion[c]![c]!
    })
    return n === 0 ? undefined : { n, accuracy: right / n, accuracyInterval: wilsonInterval(right, n) }
  }
  const [before, after] = [of(true), of(false)]
  return { ...evaluation, ...(before && { old: before }), ...(after && { new: after }) }
}
