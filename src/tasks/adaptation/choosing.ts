/** Which candidate is kept: by what needs no label of the target, and the guard. */
import { argmaxRows, type Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { type AdaptationChoice, type CandidateVerdict, chooseAdapted } from '../../evaluate/choice/index.js'
import type { CandidateOutputs } from '../../evaluate/validators/index.js'
import { SOURCE_HEAD, SOURCE_ONLY } from './baselines.js'
import type { AdaptationCandidate } from './candidate.js'

export interface Choosing {
  readonly candidates: readonly AdaptationCandidate[]
  /** Of the held-out samples of the sources, and of those trained on. */
  readonly heldOutLabels: Int32Array
  readonly trainLabels: Int32Array
  /** Features from before any adaptation, rows as in the candidates' outputs. */
  readonly inputs: { readonly heldOut: Matrix; readonly train: Matrix; readonly target: Matrix }
  readonly random: Random
}

/** The choice; arrays by candidate. */
export interface AdaptationVerdict {
  readonly baseline: number
  readonly chosen: number
  readonly choice: AdaptationChoice
  /** Undefined for one that took no part. */
  readonly verdicts: readonly (CandidateVerdict | undefined)[]
  /** By validator, in the order of the columns; undefined where there is nothing to judge by. */
  readonly scores: readonly (readonly (number | undefined)[])[]
}

/**
 * What is chosen by is given nothing that is known of the target's samples but the samples.
 *
 * Like is compared with like: where heads with a hidden layer were made, they are compared with one of the source alone, for what a
 * linear model says lies nearer to how the target is read. Where none of them is credibly better, the linear one is kept.
 */
export function choose(choosing: Choosing): AdaptationVerdict {
  const { candidates, trainLabels, inputs, random } = choosing
  const reference = candidates.some(({ name }) => name === SOURCE_HEAD) ? SOURCE_HEAD : SOURCE_ONLY
  const compared = reference === SOURCE_HEAD ? candidates.filter(({ name }) => name !== SOURCE_ONLY) : candidates
  const choice = chooseAdapted(outputsFor({ ...choosing, candidates: compared }), reference, {
    random,
    inputs: {
      source: inputs.heldOut,
      train: { features: inputs.train, labels: trainLabels },
      target: inputs.target,
    },
  })
  const at = (name: string) => candidates.findIndex((candidate) => candidate.name === name)
  const { validators } = choice
  return {
    baseline: at(SOURCE_ONLY),
    chosen: at(choice.chosen === reference ? SOURCE_ONLY : choice.chosen),
    choice,
    verdicts: candidates.map(({ name }) => choice.verdicts.find((verdict) => verdict.name === name)),
    scores: candidates.map(({ name }) => {
      const row = validators.candidates.indexOf(name)
      return validators.columns.map(({ scores }) => (row < 0 ? undefined : scores[row]))
    }),
  }
}

function outputsFor({ candidates, heldOutLabels, trainLabels }: Choosing): CandidateOutputs[] {
  return candidates.map(({ name, source, train, target, drift }) => ({
    name,
    source: { ...source, labels: heldOutLabels },
    train: { ...train, labels: trainLabels },
    target,
    ...(drift.length === 0 ? {} : { drift }),
  }))
}

/** Share of the target's samples that are answered otherwise than by the source-only model. */
export function changedShare(candidate: AdaptationCandidate, baseline: AdaptationCandidate): number {
  const [a, b] = [argmaxRows(candidate.target.logits), argmaxRows(baseline.target.logits)]
  let changed = 0
  a.forEach((answer, i) => {
    if (answer !== b[i]) changed++
  })
  return changed / Math.max(1, a.length)
}
