/** Methods of adaptation as people write them: `mcc`, `coral(weight=0.5)`. */
import { UsageError } from '../../base/errors.js'
import type { AdaptationMethod } from '../../techniques/domainAdaptation/method.js'
import {
  ADAPTATION_METHODS,
  type AdaptationName,
  adaptationMethod,
} from '../../techniques/domainAdaptation/methods/table.js'
import { methodText, parseMethod } from '../training/methods/specification.js'

/** A method with checked options. */
export interface NamedMethod {
  readonly name: AdaptationName
  /** As it was written, in the one form. */
  readonly text: string
  readonly method: AdaptationMethod
}

/** @throws UsageError for a name or an option that there is not */
export function namedMethod(text: string): NamedMethod {
  const specification = parseMethod(text)
  const plain = adaptationMethod(specification.name)
  const name = specification.name as AdaptationName
  const known = Object.keys(plain.options as object)
  for (const key of Object.keys(specification.options))
    if (!known.includes(key))
      throw new UsageError(`${name} has no option "${key}".`, {
        remedy: known.length === 0 ? 'It has none.' : `Its options: ${known.join(', ')}.`,
      })
  // Each factory checks the values of its own options.
  const factory = ADAPTATION_METHODS[name].factory as (options: object) => AdaptationMethod
  return { name, text: methodText(specification), method: factory(specification.options) }
}
