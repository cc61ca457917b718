/** Weightings and architectures as values: what `multitask` takes beside their names. */
import { architectures, weightings } from '../../techniques/multiTask/index.js'
import { methodText, type OptionValue } from '../training/methods/specification.js'
import { ARCHITECTURES, WEIGHTINGS } from './choices.js'

export { architectures, weightings }

/** A value of one of these, by what tells it from others. */
export interface ChoiceValue {
  readonly name: string
  readonly options: unknown
}

/** The text that gives the value again: `dwa(temperature=2)`. */
export function choiceText(choice: string | ChoiceValue): string {
  if (typeof choice === 'string') return choice
  const { name, options } = choice
  const known = (WEIGHTINGS[name] ?? ARCHITECTURES[name])?.options ?? []
  // Fixed weights are a list by itself.
  const given = (Array.isArray(options) ? { weights: options } : options) as Readonly<Record<string, unknown>>
  const written = known.flatMap((key): [string, OptionValue][] => {
    const value = given[key]
    if (value === undefined || value === null) return []
    return [[key, Array.isArray(value) ? value.map(String) : (value as OptionValue)]]
  })
  return methodText({ name, options: Object.fromEntries(written) })
}
