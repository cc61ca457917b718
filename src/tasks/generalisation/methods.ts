/** Methods for a target that is not known yet, as people write them: `irm`, `vrex(weight=1)`. */
import { UsageError } from '../../base/errors.js'
import type { AdaptationMethod } from '../../techniques/domainAdaptation/method.js'
import {
  GENERALISATION_METHODS,
  type GeneralisationName,
  generalisationMethod,
} from '../../techniques/domainGeneralisation/table.js'
import { methodText, parseMethod } from '../training/methods/specification.js'

export interface NamedMethod {
  /** As it was written, in the one form. */
  readonly text: string
  readonly method: AdaptationMethod
}

const NAMES = Object.keys(GENERALISATION_METHODS) as GeneralisationName[]
const ON_FEATURES = NAMES.filter((name) => GENERALISATION_METHODS[name].onFeatures)

/** @throws UsageError for a name or an option that there is not, or a method that acts inside of the network */
export function methodsFor(text: string): NamedMethod[] {
  return (text === 'auto' ? ON_FEATURES : [text]).map(named)
}

function named(text: string): NamedMethod {
  const specification = parseMethod(text)
  const { options } = generalisationMethod(specification.name)
  const name = specification.name as GeneralisationName
  if (!ON_FEATURES.includes(name))
    throw new UsageError(`${name} acts on the maps inside of a network; here a head on its features trains.`, {
      remedy: `Choose one of ${ON_FEATURES.join(', ')}.`,
    })
  const known = Object.keys(options as object)
  for (const key of Object.keys(specification.options))
    if (!known.includes(key))
      throw new UsageError(`${name} has no option "${key}".`, { remedy: `Its options: ${known.join(', ')}.` })
  const factory = GENERALISATION_METHODS[name].factory as (options: object) => AdaptationMethod
  return { text: methodText(specification), method: factory(specification.options) }
}
