/** Which candidate is kept: by what needs no label of the target, and the guard. */
import { argmaxRows, type Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { type AdaptationChoice, type CandidateVerdict, chooseAdapted } from '../../evaluate/choice/index.js'
import type { CandidateOutputs } from '../../evaluate/validators/index.js'
import { SOURCE_ONLY } from './baselines.js'
import type { Candidate } from './candidate.js'

export interface Choosing {
  readonly candidates: readonly Candidate[]
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
  readonly verdicts: readonly CandidateVerdict[]
  /** By validator, in the order of the columns; undefined where there is nothing to judge by. */
  readonly scores: readonly (readonly (number | undefined)[])[]
}

/** What is chosen by is given nothing that is known of the target's samples but the samples. */
export function choose(choosing: Choosing): AdaptationVerdict {
  const { candidates, trainLabels, inputs, random } = choosing
  const choice = chooseAdapted(outputsFor(choosing), SOURCE_ONLY, {
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
    baseline: at(choice.baseline),
    chosen: at(choice.chosen),
    choice,
    verdicts: choice.verdicts,
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
export function changedShare(candidate: Candidate, baseline: Candidate): number {
  const [a, b] = [argmaxRows(candidate.target.logits), argmaxRows(baseline.target.logits)]
  let changed = 0
  a.forEach((answer, i) => {
    if (answer !== b[i]) changed++
  })
  return changed / Math.max(1, a.length)
}
