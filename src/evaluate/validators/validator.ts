/** What a validator is given and what it answers: a figure of an adapted model that needs no label of the target. */
import { GraftError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'

/** Logits (N, C) and features (N, D) of the same N samples. */
export interface Outputs {
  readonly logits: Matrix
  readonly features: Matrix
}

/** Outputs on samples whose classes are known, 0 ... C - 1. */
export interface LabelledOutputs extends Outputs {
  readonly labels: Int32Array
}

/** What one candidate says of the same source and target samples as every other candidate, in the same order. */
export interface CandidateOutputs {
  readonly name: string
  /** Labelled source samples that trained nothing. */
  readonly source: LabelledOutputs
  /** Labelled source samples that were trained on. */
  readonly train?: LabelledOutputs
  /** Target samples, whose labels nobody knows. */
  readonly target: Outputs
  /** Share of the target's predictions that changed, by epoch of training. */
  readonly drift?: readonly number[]
}

/** Features from before any adaptation, the same for all candidates: rows as in the candidates' outputs. */
export interface CommonFeatures {
  readonly source: Matrix
  readonly target: Matrix
}

export interface ValidatorContext {
  /** Drawn from where a validator looks at some samples only; forked by purpose, so that no order matters. */
  readonly random: Random
  /**
   * One space in which to judge every candidate. Validators that ask how labels lie in the features use it where it is given,
   * and the candidate's own features otherwise; a model that pulled its own features into clusters always finds them good.
   */
  readonly common?: CommonFeatures
}

/** Higher is better; undefined where there is nothing to judge by. */
export interface Validator {
  readonly name: string
  readonly title: string
  /** Authors, year, title, arXiv. */
  readonly paper: string
  score(candidate: CandidateOutputs, all: readonly CandidateOutputs[], context: ValidatorContext): number | undefined
}

/** The common features, or the candidate's own. */
export function judgedFeatures(candidate: CandidateOutputs, context: ValidatorContext): CommonFeatures {
  return context.common ?? { source: candidate.source.features, target: candidate.target.features }
}

/**
 * The number of classes of the candidates.
 *
 * @throws GraftError where they are not about the same samples and classes, or hold numbers that are not finite.
 */
export function checkCandidates(candidates: readonly CandidateOutputs[]): number {
  const first = candidates[0]
  if (first === undefined)
    throw new GraftError('There is no candidate to choose from.', { remedy: 'Give at least the source-only model.' })
  const names = new Set<string>()
  for (const candidate of candidates) {
    const { name, source, target } = candidate
    if (names.has(name))
      throw new GraftError(`Two candidates are called ${name}.`, { remedy: 'Give each a name of its own.' })
    names.add(name)
    for (const [what, part, reference] of [
      ['source', source, first.source],
      ['target', target, first.target],
    ] as const) {
      const { logits, features } = part
      if (logits.rows !== reference.logits.rows || logits.columns !== first.source.logits.columns) {
        throw new GraftError(
          `Candidate ${name} has ${what} logits of ${logits.rows} x ${logits.columns}, and ${first.name} has ${reference.logits.rows} x ${first.source.logits.columns}.`,
          { remedy: 'Compute the outputs of all candidates on the same samples and classes.' },
        )
      }
      if (features.rows !== logits.rows) {
        throw new GraftError(
          `Candidate ${name} has ${features.rows} rows of ${what} features but ${logits.rows} of logits.`,
          { remedy: 'Compute both on the same samples.' },
        )
      }
    }
    if (source.labels.length !== source.logits.rows) {
      throw new GraftError(
        `Candidate ${name} has ${source.labels.length} source labels but ${source.logits.rows} rows of source logits.`,
        { remedy: 'Give one label for each held-out source sample.' },
      )
    }
    if (target.logits.rows === 0)
      throw new GraftError('There are no target samples.', { remedy: 'Give unlabelled samples of the target.' })
  }
  return first.source.logits.columns
}

/** Whether all logits of a candidate are finite. */
export function hasFiniteLogits(candidate: CandidateOutputs): boolean {
  return candidate.source.logits.data.every(Number.isFinite) && candidate.target.logits.data.every(Number.isFinite)
}
