/** The scores of all validators and how far they agree. */
import type { CandidateOutputs, Validator, ValidatorContext } from '../validators/validator.js'
import { kendallW, ranks, spearman } from './agreement.js'

export interface ValidatorColumn {
  readonly name: string
  readonly title: string
  readonly paper: string
  /** Score of each candidate, in the order of `candidates`; undefined where there is none. */
  readonly scores: readonly (number | undefined)[]
  /** Name of the candidate that it puts first. */
  readonly best: string | undefined
  /** Spearman's correlation of its order with the mean order of the other validators. */
  readonly withOthers: number | undefined
}

export interface ValidatorTable {
  /** Names of the candidates with finite logits. */
  readonly candidates: readonly string[]
  readonly columns: readonly ValidatorColumn[]
  /** Kendall's W over the validators that score every candidate: 1 where all agree, near 0 where they do not. */
  readonly agreement: number | undefined
  /** Said where the validators disagree. */
  readonly warning: string | undefined
}

/** Below this, the validators' orders have little to do with each other. */
const DISAGREEMENT = 0.4

export function scoreTable(
  candidates: readonly CandidateOutputs[],
  validators: readonly Validator[],
  context: ValidatorContext,
): ValidatorTable {
  const names = candidates.map((c) => c.name)
  const scored = validators.map((validator) => ({
    validator,
    scores: candidates.map((c) => {
      const score = validator.score(c, candidates, context)
      return score !== undefined && Number.isFinite(score) ? score : undefined
    }),
  }))
  const complete = scored.flatMap(({ validator, scores }) => {
    const values = scores.filter((s) => s !== undefined)
    return values.length === scores.length && new Set(values).size > 1 ? [{ name: validator.name, values }] : []
  })
  const columns = scored.map(({ validator, scores }): ValidatorColumn => {
    const own = complete.find((c) => c.name === validator.name)
    const others = complete.filter((c) => c !== own).map((c) => ranks(c.values))
    const mean = candidates.map((_, i) => others.reduce((sum, r) => sum + r[i]!, 0))
    const known = scores.flatMap((s, i) => (s === undefined ? [] : [{ s, i }]))
    const first = known.reduce<{ s: number; i: number } | undefined>(
      (top, one) => (top === undefined || one.s > top.s ? one : top),
      undefined,
    )
    return {
      name: validator.name,
      title: validator.title,
      paper: validator.paper,
      scores,
      best: first === undefined ? undefined : names[first.i],
      withOthers: own && others.length > 0 ? spearman(own.values, mean) : undefined,
    }
  })
  const agreement = kendallW(complete.map((c) => c.values))
  return {
    candidates: names,
    columns,
    agreement,
    warning:
      agreement !== undefined && agreement < DISAGREEMENT
        ? `The validators disagree (Kendall's W ${agreement.toFixed(2)}): none of them should be believed alone.`
        : undefined,
  }
}
