/** Weightings, architectures and samplings by their names, with options in brackets. */
import { UsageError } from '../../base/errors.js'
import { nearestName } from '../../base/nearest.js'
import type { TuningMethod } from '../../techniques/fineTuning/method.js'
import {
  architectures,
  type StchOptions,
  type TaskArchitecture,
  type TaskSampling,
  type TaskWeighting,
  weightings,
} from '../../techniques/multiTask/index.js'
import { plainAddition } from '../training/methods/additions.js'
import { type OptionValue, parseMethod } from '../training/methods/specification.js'
import { chooseMethods } from '../training/methods/table.js'
import type { MultitaskOptions } from './options.js'

type Technique = MultitaskOptions['technique']
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
  equal: { options: [], make: () => weightings.equal() },
  fixed: { options: ['weights'], make: ({ weights }) => weightings.fixed(numbers(weights) ?? []) },
  uncertainty: entry(weightings.uncertainty, ['rate']),
  dwa: entry(weightings.dwa, ['temperature']),
  rlw: { options: [], make: () => weightings.rlw() },
  gradnorm: entry(weightings.gradNorm, ['alpha', 'rate']),
  famo: entry(weightings.famo, ['rate', 'decay']),
  stch: {
    options: ['mu', 'preference', 'relative'],
    make: ({ preference, ...rest }) => {
      const own = numbers(preference)
      return weightings.stch({ ...(rest as StchOptions), ...(own && { preference: own }) })
    },
  },
  'imtl-l': entry(weightings.imtlL, ['rate']),
  geometric: { options: [], make: () => weightings.geometric() },
  pcgrad: { options: [], make: () => weightings.pcgrad() },
  mgda: { options: [], make: () => weightings.mgda() },
  cagrad: entry(weightings.cagrad, ['c']),
  'nash-mtl': { options: [], make: () => weightings.nashMtl() },
  'aligned-mtl': { options: [], make: () => weightings.alignedMtl() },
  'imtl-g': { options: [], make: () => weightings.imtlG() },
  graddrop: entry(weightings.gradDrop, ['leak']),
  upgrad: { options: [], make: () => weightings.upgrad() },
}

/** Tasks that part inside the backbone: what each of them has for itself. */
export interface BackboneArchitecture {
  readonly name: string
  readonly title: string
  readonly paper: string
  readonly options: { readonly blocks?: number }
  readonly own: 'blocks' | 'norms' | 'adapter'
}

export type ChosenArchitecture = TaskArchitecture | BackboneArchitecture

export const ARCHITECTURES: Entries<ChosenArchitecture> = {
  'hard-sharing': entry(architectures.hardSharing, ['hidden', 'direct']),
  'cross-stitch': entry(architectures.crossStitch, ['hidden', 'own', 'direct']),
  mmoe: entry(architectures.mmoe, ['experts', 'hidden', 'direct']),
  cgc: entry(architectures.cgc, ['shared', 'own', 'hidden', 'direct']),
  ple: entry(architectures.ple, ['levels', 'shared', 'own', 'hidden', 'direct']),
  branches: { options: ['blocks'], make: ({ blocks = 1 }) => branches(blocks) },
  'task-norms': {
    options: [],
    make: () => ({ name: 'task-norms', title: 'Norms of its own a task', paper: '', options: {}, own: 'norms' }),
  },
  'task-adapters': {
    options: [],
    make: () => ({
      name: 'task-adapters',
      title: 'An adapter of its own a task',
      paper: '',
      options: {},
      own: 'adapter',
    }),
  },
}

function branches(blocks: OptionValue): BackboneArchitecture {
  if (typeof blocks !== 'number' || !Number.isInteger(blocks) || blocks < 1)
    throw new UsageError(`branches: blocks is ${String(blocks)}; expected a whole number of at least 1.`)
  const title = `Last ${blocks === 1 ? 'block' : `${blocks} blocks`} of its own a task`
  return { name: 'branches', title, paper: '', options: { blocks }, own: 'blocks' }
}

/**
 * How tasks share, for the technique that is to train.
 *
 * @throws UsageError where they part inside a backbone that stays as it is, or in adapters that there are none of
 */
export function architectureFor(text: string, technique: Technique): ChosenArchitecture {
  const found = named('architecture', ARCHITECTURES, text)
  if (!('own' in found)) return found
  const fits = technique === 'lora' ? found.own === 'adapter' : technique === 'fine-tuning' && found.own !== 'adapter'
  if (fits) return found
  throw new UsageError(`The architecture ${found.name} does not go with --technique ${technique}.`, {
    remedy: `Choose --technique ${found.own === 'adapter' ? 'lora' : 'fine-tuning'}.`,
  })
}

/** Additions that look at a network of several tasks as at any other. */
const ADDITIONS: readonly string[] = ['l2-sp', 'bss', 'stochastic-norm']

/**
 * What is added to the training, anew for each one.
 *
 * @throws UsageError for a method that is none of these, or where no backbone trains
 */
export function additionsNamed(texts: readonly string[], technique: Technique): TuningMethod[] {
  const { adapter, additions } = chooseMethods(texts)
  const other = adapter ?? additions.find(({ name }) => !ADDITIONS.includes(name))
  if (other !== undefined)
    throw new UsageError(`The method ${other.name} is not for a training on several tasks.`, {
      remedy: adapter ? `Choose --technique lora --adapter ${adapter.text}.` : `Choose among ${ADDITIONS.join(', ')}.`,
    })
  if (additions.length > 0 && technique === 'features')
    throw new UsageError(`${additions[0]!.title} is for a backbone that trains; it stays as it is.`, {
      remedy: 'Choose --technique fine-tuning or lora, or leave the method out.',
    })
  return additions.flatMap((method) => plainAddition(method) ?? [])
}

/** @throws UsageError for a name or an option that there is not */
export function weightingNamed(text: string): TaskWeighting {
  return named('weighting', WEIGHTINGS, text)
}

/**
 * How often samples of each task are drawn: proportional, equal, temperature(value=2).
 *
 * @throws UsageError for another name or option
 */
export function samplingNamed(text: string): TaskSampling {
  return named('sampling', SAMPLINGS, text)
}

const SAMPLINGS: Entries<TaskSampling> = {
  proportional: { options: [], make: () => 'proportional' },
  equal: { options: [], make: () => 'equal' },
  temperature: {
    options: ['value'],
    make({ value = 2 }) {
      if (typeof value === 'number' && value > 0) return { temperature: value }
      throw new UsageError(`temperature: value is ${String(value)}; expected a number above 0.`)
    },
  },
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
