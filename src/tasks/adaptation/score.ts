/** What labels of the target say of the candidates: looked at last, after everything is chosen. */
import { argmaxRows, type Matrix, softmaxRows, takeRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { type ClassEvaluation, evaluate } from '../../evaluate/evaluation.js'
import { type Difference, type Interval, pairedDifference, wilsonInterval } from '../../evaluate/intervals.js'
import type { MatchedLabels } from './classes.js'

export type Share = Interval & { readonly value: number }

export interface TargetScores {
  /** Samples that count. */
  readonly n: number
  /** By candidate: the share of these that is named correctly, Wilson's interval. */
  readonly accuracies: readonly Share[]
  /** The kept candidate minus the source-only one, on the same samples. */
  readonly difference: Difference
  /** Every figure of the kept candidate, on samples whose class it can name. */
  readonly evaluation: ClassEvaluation
  /** Shares of the classes among the samples that count. */
  readonly shares: readonly number[]
}

/** What is said of a sample: a class, or UNKNOWN. */
export const UNKNOWN = -1

export interface Scored {
  /** (N, C) */
  readonly logits: Matrix
  /** (N), a class, or {@link UNKNOWN}; the most probable class where it is absent. */
  readonly answers?: Int32Array | undefined
}

/**
 * @param open samples of classes that the source has not count too, and are right where they are called unknown; else they are
 *   left out, for no model could name them
 * @returns undefined where no sample has a label that counts
 */
export function scoreTarget(
  candidates: readonly Scored[],
  { kept, baseline }: { readonly kept: number; readonly baseline: number },
  { labels, other }: MatchedLabels,
  classes: readonly string[],
  open: boolean,
  random: Random,
): TargetScores | undefined {
  const named = Int32Array.from(labels.keys()).filter((i) => labels[i]! >= 0)
  const counted = open ? Int32Array.from(labels.keys()).filter((i) => labels[i]! >= 0 || other[i] === 1) : named
  if (named.length === 0) return undefined
  const right = candidates.map(({ logits, answers = argmaxRows(logits) }) =>
    Float64Array.from(counted, (i) => (answers[i] === (labels[i]! >= 0 ? labels[i] : UNKNOWN) ? 1 : 0)),
  )
  const accuracies = right.map((hits): Share => {
    const hit = hits.reduce((sum, one) => sum + one, 0)
    return { value: hit / hits.length, ...wilsonInterval(hit, hits.length) }
  })
  const truth = Int32Array.from(named, (i) => labels[i]!)
  const shares = classes.map((_, k) => truth.filter((label) => label === k).length / counted.length)
  return {
    n: counted.length,
    accuracies,
    difference: pairedDifference(right[baseline]!, right[kept]!, random.fork('difference')),
    evaluation: evaluate(
      softmaxRows(takeRows(candidates[kept]!.logits, named)),
      truth,
      classes,
      random.fork('evaluation'),
    ),
    shares,
  }
}
