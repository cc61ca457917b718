/** What rules a candidate out, whatever its scores. */
import { argmaxRows, softmaxRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { pairedDifference } from '../intervals.js'
import { entropy, meanEntropy, shares } from '../validators/distributions.js'
import type { CandidateOutputs } from '../validators/validator.js'
import type { Reading } from './readings.js'

export interface GuardVerdict {
  /** Why the candidate is ruled out; empty where it is not. */
  readonly reasons: readonly string[]
  /** Share of each class among the target's predictions, (C). */
  readonly shares: Float64Array
  /** exp(entropy of the shares): how many classes are predicted, in effect. */
  readonly effectiveClasses: number
  /** The least number of effective classes that a plausible reading of the target has. */
  readonly expectedClasses: number
  /** Share of the target on which the candidate says what source-only says, and what the mean of all candidates says. */
  readonly agreementWithBaseline: number
  readonly agreementWithEnsemble: number
  /** Mean entropy of the target's predictions, nats. */
  readonly entropy: number
  /** Mean share of predictions that still changed in the last three epochs; undefined where it is not known. */
  readonly lateDrift: number | undefined
}

/** Below this share of the expected effective classes the predictions have collapsed. */
const COLLAPSE = 0.6
/** Above this share of log C the predictions say nothing. */
const UNIFORM = 0.98
/** A candidate that agrees with the mean of all less than this share of what source-only does strays from everything known. */
const STRAY = 0.5
/** Predictions that change at this rate at the end have not settled. */
const UNSETTLED = 0.2
/** Accuracy on held-out source samples that may be lost. */
const SOURCE_LOSS = 0.1

export function guard(
  candidate: CandidateOutputs,
  context: {
    readonly baseline: CandidateOutputs
    readonly ensemble: ArrayLike<number>
    readonly readings: readonly Reading[]
    readonly random: Random
  },
): GuardVerdict {
  const { baseline, ensemble, readings, random } = context
  const classes = candidate.target.logits.columns
  const predictions = argmaxRows(candidate.target.logits)
  const own = shares(predictions, classes)
  const effectiveClasses = Math.exp(entropy(own))
  const expectedClasses = Math.min(...readings.filter((r) => r.plausible).map((r) => Math.exp(entropy(r.shares))))
  const { drift } = candidate
  const last = drift?.slice(-3) ?? []
  const lateDrift = last.length > 0 ? last.reduce((sum, v) => sum + v, 0) / last.length : undefined
  const doubt = meanEntropy(softmaxRows(candidate.target.logits))
  const source = argmaxRows(baseline.target.logits)
  const withEnsemble = sameShare(predictions, ensemble)
  const reasons: string[] = []
  if (effectiveClasses < COLLAPSE * expectedClasses) {
    reasons.push(
      `it predicts ${effectiveClasses.toFixed(1)} classes in effect where at least ${expectedClasses.toFixed(1)} are expected`,
    )
  }
  if (doubt > UNIFORM * Math.log(classes)) reasons.push('its predictions are nearly the same for every class')
  if (withEnsemble < STRAY * sameShare(source, ensemble)) {
    reasons.push(`it agrees with the mean of all candidates on ${percent(withEnsemble)} of the target only`)
  }
  if (lateDrift !== undefined && lateDrift > UNSETTLED) {
    reasons.push(`${percent(lateDrift)} of its predictions still changed in each of the last epochs`)
  }
  if (candidate.source.labels.length > 0) {
    const right = (c: CandidateOutputs) => argmaxRows(c.source.logits).map((p, i) => Number(p === c.source.labels[i]))
    const loss = pairedDifference(right(baseline), right(candidate), random.fork('guard', candidate.name), {
      replicates: 300,
    })
    if (loss.difference < -SOURCE_LOSS && loss.high < 0) {
      reasons.push(`it lost ${(-100 * loss.difference).toFixed(0)} points of accuracy on held-out source samples`)
    }
  }
  return {
    reasons,
    shares: own,
    effectiveClasses,
    expectedClasses,
    agreementWithBaseline: sameShare(predictions, source),
    agreementWithEnsemble: withEnsemble,
    entropy: doubt,
    lateDrift,
  }
}

function sameShare(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let same = 0
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) same++
  return same / a.length
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`
}
