/** Weightings, architectures and samplings by their names, with options in brackets. */
import { UsageError } from '../../base/errors.js'
import { nearestName } from '../../base/nearest.js'
import {
  alignedMtl,
  cagrad,
  dwa,
  equal,
  famo,
  fixed,
  geometric,
  gradDrop,
  gradNorm,
  hardSharing,
  imtlG,
  imtlL,
  mgda,
  nashMtl,
  pcgrad,
  rlw,
  type StchOptions,
  stch,
  type TaskArchitecture,
  type TaskWeighting,
  uncertainty,
  upgrad,
} from '../../techniques/multiTask/index.js'
import { type OptionValue, parseMethod } from '../training/methods/specification.js'

type Options = Readonly<Record<string, OptionValue>>
type Entries<T> = Readonly<Record<string, { readonly options: readonly string[]; make(options: Options): T }>>

const numbers = (value: OptionValue | undefined): number[] | undefined =>
  value === undefined ? undefined : [value].flat().map(Number)

/** An entry whose options are the factory's own. */
function entry<O extends object, T>(make: (options?: O) => T, options: readonly (keyof O & string)[] = []) {
  // The factory checks the values, whose names are checked against the list.
  return { options, make: (given: Options) => make(given as O) }
}

export const WEIGHTINGS: Entries<TaskWeighting> = {
  equal: { options: [], make: () => equal() },
  fixed: { options: ['weights'], make: ({ weights }) => fixed(numbers(weights) ?? []) },
  uncertainty: entry(uncertainty, ['rate']),
  dwa: entry(dwa, ['temperature']),
  rlw: { options: [], make: () => rlw() },
  gradnorm: entry(gradNorm, ['alpha', 'rate']),
  famo: entry(famo, ['rate', 'decay']),
  stch: {
    options: ['mu', 'preference', 'relative'],
    make: ({ preference, ...rest }) => {
      const own = numbers(preference)
      return stch({ ...(rest as StchOptions), ...(own && { preference: own }) })
    },
  },
  'imtl-l': entry(imtlL, ['rate']),
  geometric: { options: [], make: () => geometric() },
  pcgrad: { options: [], make: () => pcgrad() },
  mgda: { options: [], make: () => mgda() },
  cagrad: entry(cagrad, ['c']),
  'nash-mtl': { options: [], make: () => nashMtl() },
  'aligned-mtl': { options: [], make: () => alignedMtl() },
  'imtl-g': { options: [], make: () => imtlG() },
  graddrop: entry(gradDrop, ['leak']),
  upgrad: { options: [], make: () => upgrad() },
}

export const ARCHITECTURES: Entries<TaskArchitecture> = {
  'hard-sharing': entry(hardSharing, ['hidden', 'direct']),
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
