/** Methods of adaptation as people write them: `mcc`, `coral(weight=0.5)`. */
import { UsageError } from '../../base/errors.js'
import type { AdaptationMethod } from '../../techniques/domainAdaptation/method.js'
import {
  ADAPTATION_METHODS,
  type AdaptationName,
  adaptationMethod,
} from '../../techniques/domainAdaptation/methods/table.js'
import { openSet } from '../../techniques/domainAdaptation/settings/openSet.js'
import { partialTarget } from '../../techniques/domainAdaptation/settings/partial.js'
import { methodText, parseMethod, splitList } from '../training/methods/specification.js'

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

/**
 * What `auto` tries on cached features: of each family what publications and our own benchmark found to do best, but for methods
 * that train on their neighbours' answers: the choice asks the neighbours. On the network
 * itself each takes as long as a fine-tuning.
 */
export const PORTFOLIO: Readonly<Record<'features' | 'network', readonly AdaptationName[]>> = {
  features: ['coral', 'dan', 'dsan', 'dann', 'cdan', 'mcc', 'information', 'bnm'],
  network: ['coral', 'mcc'],
}

/** Beside these, methods that weigh rows stand inside a setting. */
const IN_A_SETTING: readonly AdaptationName[] = ['mcc', 'dann', 'cdan', 'atdoc', 'pseudo-labels', 'afn']

/** The methods of a run. @throws UsageError for a name, an option, or a method in a setting that cannot be */
export function methodsFor({
  method,
  train,
  setting,
}: {
  readonly method: string
  readonly train: string
  readonly setting: 'closed' | 'partial' | 'open'
}): NamedMethod[] {
  const frontier = train === 'features' ? 'features' : 'network'
  const named: readonly string[] = method === 'auto' ? PORTFOLIO[frontier] : splitList(method)
  const twice = named.find((name, i) => named.indexOf(name) !== i)
  if (named.length === 0 || twice !== undefined)
    throw new UsageError(twice === undefined ? 'No method is named.' : `The method ${twice} is named twice.`, {
      remedy: 'Name each method once, with commas between them, or leave --method out.',
    })
  if (setting === 'closed') return named.map((name) => namedMethod(name))
  const inside = method !== 'auto' ? named : frontier === 'features' ? IN_A_SETTING : IN_A_SETTING.slice(0, 1)
  const around = setting === 'partial' ? partialTarget : openSet
  return inside.map((name) => {
    const own = namedMethod(name)
    return { ...own, text: `${setting} ${own.text}`, method: around(own.method) }
  })
}
