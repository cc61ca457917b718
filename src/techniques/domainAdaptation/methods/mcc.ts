/** MCC: predictions on the target that confuse few classes. */
import { UsageError } from '../../../base/errors.js'
import { classConfusion } from '../../../losses/domain/classConfusion.js'
import type { AdaptationMethod } from '../method.js'
import { type RampedWeight, targetTerm } from './targetTerm.js'

export interface MccOptions extends RampedWeight {
  /** T, by which logits are divided. @default 2.5 */
  readonly temperature?: number
}

/**
 * L + weight r K(z_t), K the class confusion of the target's logits at the temperature T, r the ramp (Jin, Wang, Long and Wang 2020,
 * "Minimum Class Confusion for Versatile Domain Adaptation", arXiv:1912.03699). The paper has weight 1 and no ramp. Says nothing of the
 * classes' shares, so that it serves partial targets too.
 */
export function mcc(options: MccOptions = {}): AdaptationMethod {
  const { weight = 1, ramp = true, temperature = 2.5 } = options
  if (!(temperature > 0)) throw new UsageError(`MCC: temperature is ${temperature}; expected above 0.`)
  return targetTerm({
    name: 'mcc',
    title: 'MCC',
    paper: 'Jin, Wang, Long and Wang 2020, Minimum Class Confusion for Versatile Domain Adaptation, arXiv:1912.03699',
    options: { weight, ramp, temperature },
    weight,
    ramp,
    loss: (g, logits, weights) => classConfusion(g, logits, { temperature, weights }),
  })
}
