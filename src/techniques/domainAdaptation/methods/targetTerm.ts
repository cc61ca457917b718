/** Methods whose whole term is a loss on what the network says of the target: the frame that they share. */

import { UsageError } from '../../../base/errors.js'
import { ramp } from '../../../losses/domain/schedule.js'
import type { Emitter } from '../../../ops/operator.js'
import type { Json } from '../../run/directory.js'
import { checkClasses } from '../checks.js'
import { type AdaptationMethod, asTerm, sidesWithTarget } from '../method.js'

export interface RampedWeight {
  /** Of the term beside the classification. */
  readonly weight?: number
  /** Whether the weight rises from 0 as 2 / (1 + exp(-10 p)) - 1 with the share p of the training that is done. @default true */
  readonly ramp?: boolean
}

export interface TargetTerm {
  readonly name: string
  readonly title: string
  readonly paper: string
  readonly options: Json
  readonly weight: number
  readonly ramp: boolean
  /**
   * @param logits of the target, (b, C)
   * @param counts (b): by what each row counts; undefined where all count alike
   * @returns a scalar
   */
  readonly loss: (g: Emitter, logits: string, counts: string | undefined) => string
}

/** L + weight r loss(target), r the ramp or 1. */
export function targetTerm({ name, title, paper, options, weight, ramp: rises, loss }: TargetTerm): AdaptationMethod {
  checkWeight(title, weight)
  return {
    name,
    title,
    paper,
    needs: [],
    weighs: true,
    options,
    prepare({ objective }) {
      checkClasses(objective, title)
      return {
        name,
        loss(context) {
          const { g } = context
          const { target } = sidesWithTarget(context)
          return { add: asTerm(context, loss(g, target.logits, target.counts), rampedWeight(context, weight, rises)) }
        },
      }
    },
  }
}

/** @throws UsageError where it is not above 0 */
export function checkWeight(title: string, weight: number): void {
  if (!(weight > 0)) throw new UsageError(`${title}: weight is ${weight}; expected above 0.`)
}

/** The weight, risen as far as it has. */
export function rampedWeight(
  { g, progress }: { readonly g: Emitter; readonly progress: string },
  weight: number,
  rises: boolean,
): string | number {
  return rises ? ramp(g, progress, weight) : weight
}
