/** Every method of domain adaptation with a target that can be asked for by name, with its defaults. */
import { UsageError } from '../../../base/errors.js'
import { nearestName } from '../../../base/nearest.js'
import type { AdaptationMethod } from '../method.js'
import { dann } from './dann.js'
import { deepCoral } from './deepCoral.js'

/** What trains: a head on cached features, or the network's last blocks or all of it. */
export type Frontier = 'features' | 'network'

export interface AdaptationEntry {
  readonly family: 'discrepancy' | 'adversarial' | 'statistics' | 'regularisation' | 'self-training' | 'weighting'
  /** One line for the documentation. */
  readonly summary: string
  readonly factory: () => AdaptationMethod
  readonly on: readonly Frontier[]
}

const BOTH: readonly Frontier[] = ['features', 'network']

export const ADAPTATION_METHODS = {
  coral: {
    family: 'discrepancy',
    summary: 'the features of both domains get the same covariance',
    factory: deepCoral,
    on: BOTH,
  },
  dann: {
    family: 'adversarial',
    summary: 'features from which a discriminator cannot tell the domain',
    factory: dann,
    on: BOTH,
  },
} as const satisfies Record<string, AdaptationEntry>

export type AdaptationName = keyof typeof ADAPTATION_METHODS

/**
 * The method of this name, with its defaults.
 *
 * @throws UsageError where there is none
 */
export function adaptationMethod(name: string): AdaptationMethod {
  if (Object.hasOwn(ADAPTATION_METHODS, name)) return ADAPTATION_METHODS[name as AdaptationName].factory()
  const names = Object.keys(ADAPTATION_METHODS)
  const near = nearestName(name, names)
  throw new UsageError(`There is no method of domain adaptation "${name}".`, {
    remedy: `${near === undefined ? '' : `Did you mean ${near}? `}Choose one of ${names.join(', ')}.`,
  })
}
