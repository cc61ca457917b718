/** Which candidate is kept: by several validators that need no label of the target, and a guard. */

import { argmaxRows, type Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { CandidateOutputs } from '../../evaluate/validators/index.js'
import { SOURCE_ONLY } from './baselines.js'
import type { Candidate } from './candidate.js'

export interface Choosing {
  readonly candidates: readonly Candidate[]
  readonly heldOutLabels: Int32Array
  readonly trainLabels: Int32Array
  /** One space in which to judge every candidate: held-out source and target. */
  readonly common: { readonly source: Matrix; readonly target: Matrix }
  readonly random: Random
}

/** What the validators are given: nothing that is known of the target's samples but the samples. */
export function outputsFor({ candidates, heldOutLabels, trainLabels }: Choosing): CandidateOutputs[] {
  return candidates.map(({ name, source, train, target, drift }) => ({
    name,
    source: { ...source, labels: heldOutLabels },
    train: { ...train, labels: trainLabels },
    target,
    ...(drift.length === 0 ? {} : { drift }),
  }))
}

/** Share of the target's samples that are answered otherwise than by the source-only model. */
export function changedShare(candidate: Candidate, baseline: Candidate): number {
  const [a, b] = [argmaxRows(candidate.target.logits), argmaxRows(baseline.target.logits)]
  let changed = 0
  a.forEach((answer, i) => {
    if (answer !== b[i]) changed++
  })
  return changed / Math.max(1, a.length)
}

export function baselineOf(candidates: readonly Candidate[]): number {
  return candidates.findIndex(({ name }) => name === SOURCE_ONLY)
}

/** The choice as the report tells it; arrays by candidate. */
export interface AdaptationVerdict {
  readonly baseline: number
  readonly chosen: number
  /** Sentences. */
  readonly reasons: readonly string[]
  /** A sentence: how well the validators agree. */
  readonly agreement: string | undefined
  readonly validators: readonly { readonly name: string; readonly title: string; readonly paper: string }[]
  readonly scores: readonly (readonly (number | undefined)[])[]
  readonly ranks: readonly (number | undefined)[]
  /** Why the guard refuses a candidate. */
  readonly refused: readonly (string | undefined)[]
}

export function choose(choosing: Choosing): AdaptationVerdict {
  const { candidates } = choosing
  const baseline = baselineOf(candidates)
  return {
    baseline,
    chosen: baseline,
    reasons: ['PROVISIONAL'],
    agreement: undefined,
    validators: [],
    scores: candidates.map(() => []),
    ranks: candidates.map(() => undefined),
    refused: candidates.map(() => undefined),
  }
}
