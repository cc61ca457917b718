/** Every method for a target that is not known yet, by name, with its defaults. */
import { UsageError } from '../../base/errors.js'
import { nearestName } from '../../base/nearest.js'
import type { AdaptationMethod } from '../domainAdaptation/method.js'
import { coralAcross } from './coralAcross.js'
import { groupDro } from './groupDro.js'
import { irm } from './irm.js'
import { mixStyle } from './mixStyle.js'
import { vrex } from './vrex.js'

export interface GeneralisationEntry {
  /** One line for the documentation. */
  readonly summary: string
  readonly factory: () => AdaptationMethod
  /** Whether it can train a head on cached features; each can train a network. */
  readonly onFeatures: boolean
}

export const GENERALISATION_METHODS = {
  'group-dro': { summary: 'the domain that goes worst counts most', factory: groupDro, onFeatures: true },
  irm: { summary: 'one classifier is the best for every domain at once', factory: irm, onFeatures: true },
  vrex: { summary: 'the risks of all domains are drawn together', factory: vrex, onFeatures: true },
  'coral-across': {
    summary: 'the features of all domains get the same mean and covariance',
    factory: coralAcross,
    onFeatures: true,
  },
  mixstyle: {
    summary: 'feature maps take over some of the style of other samples',
    factory: mixStyle,
    onFeatures: false,
  },
} as const satisfies Record<string, GeneralisationEntry>

export type GeneralisationName = keyof typeof GENERALISATION_METHODS

/**
 * The method of this name, with its defaults.
 *
 * @throws UsageError where there is none
 */
export function generalisationMethod(name: string): AdaptationMethod {
  if (Object.hasOwn(GENERALISATION_METHODS, name)) return GENERALISATION_METHODS[name as GeneralisationName].factory()
  const names = Object.keys(GENERALISATION_METHODS)
  const near = nearestName(name, names)
  throw new UsageError(`There is no method of domain generalisation "${name}".`, {
    remedy: `${near === undefined ? '' : `Did you mean ${near}? `}Choose one of ${names.join(', ')}.`,
  })
}
