/** Methods by name, with options as plain data: for records, files and flags. */
import { UsageError } from '../../base/errors.js'
import { nearNames } from '../near.js'
import { bitFit } from './bitFit.js'
import { dora } from './dora.js'
import { houlsby } from './houlsby.js'
import { ia3 } from './ia3.js'
import { lora } from './lora.js'
import type { AdapterMethod, MethodName } from './method.js'
import { normTuning } from './normTuning.js'
import { prefixTuning } from './prefixTuning.js'
import { promptTuning } from './promptTuning.js'
import { rsLora } from './rsLora.js'
import type { Pattern } from './targets.js'

const FACTORIES: Readonly<Record<MethodName, (options: never) => AdapterMethod>> = {
  lora,
  rslora: rsLora,
  dora,
  ia3,
  houlsby,
  bitfit: bitFit,
  'norm-tuning': normTuning,
  'prompt-tuning': promptTuning,
  'prefix-tuning': prefixTuning,
}

export const METHOD_NAMES = Object.keys(FACTORIES) as readonly MethodName[]

/** Which options a method has: those of its defaults. */
const optionNames = (name: MethodName): readonly string[] =>
  Object.keys((FACTORIES[name] as (options: object) => AdapterMethod)({}).options)

/**
 * @param options as in {@link AdapterMethod.options}; what is left out has its default
 * @throws UsageError for a name or an option that there is not
 */
export function adapterMethod(name: string, options: Readonly<Record<string, unknown>> = {}): AdapterMethod {
  if (!isMethodName(name))
    throw new UsageError(`There is no adapter method "${name}".`, { remedy: `Methods: ${METHOD_NAMES.join(', ')}.` })
  const known = optionNames(name)
  const given: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(options)) {
    if (!known.includes(key))
      throw new UsageError(`${name} has no option "${key}".`, {
        remedy: known.length === 0 ? 'It has none.' : `Its options: ${nearNames(key, known).join(', ')}.`,
      })
    if (value === undefined || value === null) continue
    given[key] = Array.isArray(value) ? value.map(patternFrom) : value
  }
  return (FACTORIES[name] as (options: object) => AdapterMethod)(given)
}

const isMethodName = (name: string): name is MethodName => Object.hasOwn(FACTORIES, name)

/** Options as JSON can hold them: a regular expression as its source and flags. */
export function plainOptions({ options }: AdapterMethod): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, Array.isArray(value) ? value.map(patternTo) : value]),
  )
}

const patternTo = (pattern: Pattern) =>
  pattern instanceof RegExp ? { pattern: pattern.source, flags: pattern.flags } : pattern

function patternFrom(value: unknown): Pattern {
  if (typeof value === 'string' || value instanceof RegExp) return value
  const { pattern, flags } = (value ?? {}) as { pattern?: unknown; flags?: unknown }
  if (typeof pattern === 'string') return new RegExp(pattern, typeof flags === 'string' ? flags : '')
  throw new UsageError(`A pattern is ${JSON.stringify(value)}; expected text or { pattern, flags }.`)
}
