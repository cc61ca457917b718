/** The risk of each domain by itself, and how a penalty on the risks comes in. */
import { UsageError } from '../../base/errors.js'
import { shares } from '../../losses/weighted.js'
import { asTerm, type Side, sidesOf } from '../domainAdaptation/method.js'
import type { LossContext, LossTerm } from '../fineTuning/method.js'
import type { Objective } from '../fineTuning/objective.js'

/** R_e: the mean loss over the labelled rows of one domain, a scalar. */
export function riskOf({ g }: LossContext, objective: Objective, { logits, targets, weights }: Side): string {
  return objective.loss(g, logits, targets, shares(g, weights))
}

/** R_e of every labelled domain of the batch. */
export function risksOf(loss: LossContext, objective: Objective): string[] {
  return sidesOf(loss).sources.map((side) => riskOf(loss, objective, side))
}

export interface PenaltyOptions {
  /** lambda, of the penalty. @default 100 for IRM, 10 for V-REx */
  readonly weight?: number
  /** Until this share of the training is done lambda is 1. @default 0.3 */
  readonly after?: number
}

/** @throws UsageError where they make no sense */
export function checkPenalty(title: string, { weight, after }: Required<PenaltyOptions>): void {
  if (!(weight > 0) || !(after >= 0 && after <= 1))
    throw new UsageError(`${title}: weight is ${weight} and after ${after}; expected above 0, and 0 to 1.`)
}

/**
 * (L + l penalty) / max(1, l), l = 1 at first and lambda from `after` on: as the papers' authors do it, so that steps stay of one
 * size when lambda rises.
 */
export function penalised(loss: LossContext, penalty: string, { weight, after }: Required<PenaltyOptions>): LossTerm {
  const { g, progress } = loss
  const risen = g.op('GreaterOrEqual', [progress, g.float(after)])
  const strength = g.op('Where', [risen, g.float(weight), g.float(1)])
  const scale = g.op('Max', [strength, g.float(1)])
  return {
    add: asTerm(loss, g.op('Div', [g.op('Mul', [penalty, strength]), scale])),
    own: g.op('Div', [g.float(1), scale]),
  }
}
