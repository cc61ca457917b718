/** Weightings, architectures and samplings by their names, with options in brackets. */
import { UsageError } from '../../base/errors.js'
import { nearestName } from '../../base/nearest.js'
import {
  equal,
  fixed,
  hardSharing,
  type TaskArchitecture,
  type TaskWeighting,
} from '../../techniques/multiTask/index.js'
import { type OptionValue, parseMethod } from '../training/methods/specification.js'

type Options = Readonly<Record<string, OptionValue>>
type Entries<T> = Readonly<Record<string, { readonly options: readonly string[]; make(options: Options): T }>>

const numbers = (value: OptionValue | undefined): number[] => [value ?? []].flat().map(Number)

export const WEIGHTINGS: Entries<TaskWeighting> = {
  equal: { options: [], make: () => equal() },
  fixed: { options: ['weights'], make: ({ weights }) => fixed(numbers(weights)) },
}

export const ARCHITECTURES: Entries<TaskArchitecture> = {
  'hard-sharing': { options: ['hidden', 'direct'], make: (options) => hardSharing(options) },
}

/** @throws UsageError for a name or an option that there is not */
export function weightingNamed(text: string): TaskWeighting {
  return named('weighting', WEIGHTINGS, text)
}

/** @throws UsageError for a name or an option that there is not */
export function architectureNamed(text: string): TaskArchitecture {
  return named('architecture', ARCHITECTURES, text)
}

function named<T>(what: string, entries: Entries<T>, text: string): T {
  const { name, options } = parseMethod(text)
  const entry = Object.hasOwn(entries, name) ? entries[name] : undefined
  if (entry === undefined) {
    const near = nearestName(name, Object.keys(entries))
    throw new UsageError(`There is no ${what} "${name}".`, {
      remedy: near === undefined ? `Choose one of ${Object.keys(entries).join(', ')}.` : `Did you mean ${near}?`,
    })
  }
  const odd = Object.keys(options).find((key) => !entry.options.includes(key))
  if (odd !== undefined)
    throw new UsageError(`${name} has no option "${odd}".`, {
      remedy: entry.options.length === 0 ? 'It has none.' : `It has ${entry.options.join(', ')}.`,
    })
  return entry.make(options)
}
