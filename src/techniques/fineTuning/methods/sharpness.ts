/** SAM: sharpness-aware minimisation. */
import { UsageError } from '../../../base/errors.js'
import type { TuningMethod } from '../method.js'

export interface SharpnessOptions {
  /** rho, the radius of the neighbourhood. @default 0.05 */
  readonly rho?: number
}

/**
 * Minimises the highest loss within rho of the weights: e = rho g / norm(g) with g the gradient at w, then the step that the
 * optimizer takes from w with the gradient at w + e (Foret, Kleiner, Mobahi and Neyshabur 2021, "Sharpness-Aware Minimization for
 * Efficiently Improving Generalization", arXiv:2010.01412). Two passes a step: twice the time.
 *
 * Where gradients accumulate over micro-batches each has a neighbour of its own, as on the devices of the paper (its
 * m-sharpness). Statistics of batch norm move in the second pass alone.
 */
export function sharpnessAware(options: SharpnessOptions = {}): TuningMethod {
  const { rho = 0.05 } = options
  if (!(rho > 0)) throw new UsageError(`sharpness: rho is ${rho}; expected above 0.`)
  return {
    name: 'sam',
    options: { rho },
    takes: () => ({ passes: 2 }),
    prepare: () => ({ name: 'sam', sharpness: rho }),
  }
}
