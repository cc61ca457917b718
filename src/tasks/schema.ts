/**
 * One schema a verb: from a zod schema come the library's types and checks, the command line's flags and help, the JSON run
 * file and the docs' tables. This file reads schemas through their JSON Schema, which zod writes.
 */
import { z } from 'zod'
import { UsageError } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'

/** How the command line takes an option. */
export type OptionKind =
  | 'boolean'
  | 'number'
  | 'integer'
  | 'string'
  | 'numbers'
  | 'strings'
  | 'choice'
  | 'word-or-number'
  | 'shapes'

export interface OptionDescription {
  /** The library's name: `weightDecay`. */
  readonly key: string
  /** The command line's: `--weight-decay`; for an argument its name, `DATA`. */
  readonly flag: string
  readonly kind: OptionKind
  readonly choices: readonly string[]
  readonly default: unknown
  readonly description: string
  readonly group: string
  /** What the value is called in the help: `N`. */
  readonly placeholder: string
  /** An argument, not a flag. */
  readonly positional: boolean
  readonly required: boolean
  /** A switch that is on unless `--no-...` is given. */
  readonly negated: boolean
  /** A list whose flag may be given several times. */
  readonly repeatable: boolean
  /** What a valid value looks like, for messages. */
  readonly expected: string
}

/** What an option's `.meta()` may say besides `description`. */
export interface OptionMeta {
  readonly description: string
  readonly group?: string
  readonly placeholder?: string
  /** Makes the option an argument of this name. */
  readonly positional?: string
  /** Of a list of words: its flag may be given several times. */
  readonly repeatable?: boolean
}

interface JsonSchema {
  readonly type?: string
  readonly enum?: readonly string[]
  readonly const?: string
  readonly anyOf?: readonly JsonSchema[]
  readonly items?: JsonSchema
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly default?: unknown
  readonly description?: string
  readonly group?: string
  readonly placeholder?: string
  readonly positional?: string
  readonly repeatable?: boolean
}

/** Every option of a verb, in the schema's order. */
export function describeOptions(schema: z.ZodObject): OptionDescription[] {
  const json = z.toJSONSchema(schema, { io: 'input' }) as unknown as {
    properties: Record<string, JsonSchema>
    required?: readonly string[]
  }
  return Object.entries(json.properties).map(([key, property]) => {
    const kind = kindOf(property)
    const positional = property.positional !== undefined
    return {
      key,
      flag: property.positional ?? `--${kebab(key)}`,
      kind,
      choices: choicesOf(property),
      default: property.default,
      description: property.description ?? '',
      group: property.group ?? 'General',
      placeholder: property.placeholder ?? PLACEHOLDERS[kind],
      positional,
      required: json.required?.includes(key) ?? false,
      negated: kind === 'boolean' && property.default === true,
      repeatable: property.repeatable === true,
      expected: expectation(property),
    }
  })
}

const PLACEHOLDERS: Readonly<Record<OptionKind, string>> = {
  boolean: '',
  number: 'X',
  integer: 'N',
  string: 'TEXT',
  numbers: 'X,Y,Z',
  strings: 'A,B',
  choice: 'NAME',
  'word-or-number': 'X',
  shapes: 'NAME=SIZES',
}

function kindOf(s: JsonSchema): OptionKind {
  if (s.anyOf)
    return s.anyOf.some((option) => option.type === 'number' || option.type === 'integer') ? 'word-or-number' : 'string'
  if (s.enum) return 'choice'
  if (s.type === 'object') return 'shapes'
  if (s.type === 'array') return s.items?.type === 'string' ? 'strings' : 'numbers'
  if (s.type === 'boolean' || s.type === 'number' || s.type === 'integer') return s.type
  return 'string'
}

function choicesOf(s: JsonSchema): readonly string[] {
  if (s.enum) return s.enum
  return (s.anyOf ?? []).flatMap((option) => option.enum ?? (option.const === undefined ? [] : [option.const]))
}

function expectation(s: JsonSchema): string {
  if (s.anyOf) return s.anyOf.map(expectation).join(' or ')
  if (s.const !== undefined) return s.const
  if (s.enum) return `one of ${s.enum.join(', ')}`
  switch (s.type) {
    case 'boolean':
      return 'true or false'
    case 'object':
      return 'sizes by name, such as image=1,3,224,224'
    case 'array': {
      const count = s.minItems !== undefined && s.minItems === s.maxItems ? `${s.minItems} ` : ''
      return `${count}${s.items?.type === 'string' ? 'words' : 'numbers'} with commas between them`
    }
    case 'integer':
      return `a whole number${range(s)}`
    case 'number':
      return `a number${range(s)}`
    default:
      return 'text'
  }
}

function range(s: JsonSchema): string {
  // zod writes the bounds of safe integers, which say nothing to a person.
  const maximum = s.maximum === Number.MAX_SAFE_INTEGER ? undefined : s.maximum
  const minimum = s.minimum === Number.MIN_SAFE_INTEGER ? undefined : s.minimum
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`
  const low =
    s.exclusiveMinimum !== undefined
      ? ` above ${s.exclusiveMinimum}`
      : minimum !== undefined
        ? ` of at least ${minimum}`
        : ''
  const high =
    s.exclusiveMaximum !== undefined
      ? ` below ${s.exclusiveMaximum}`
      : maximum !== undefined
        ? ` of at most ${maximum}`
        : ''
  return low !== '' && high !== '' ? `${low} and${high}` : low + high
}

export function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** How an option is called where it was written. */
export type Naming = (description: { readonly key: string; readonly flag: string }) => string
export const libraryNaming: Naming = ({ key }) => `option "${key}"`
export const flagNaming: Naming = ({ flag }) => flag

/**
 * The options with their defaults.
 *
 * @throws UsageError naming the option, what was found and what is expected
 */
export function parseOptions<S extends z.ZodObject>(
  schema: S,
  value: unknown,
  naming: Naming = libraryNaming,
): z.output<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const options = describeOptions(schema)
  const issue = parsed.error.issues[0]!
  if (issue.code === 'unrecognized_keys') throw unknownOption(issue.keys[0]!, options, naming)
  const key = String(issue.path[0] ?? '')
  const option = options.find((o) => o.key === key)
  if (!option) throw new UsageError(`${issue.path.join('.')}: ${issue.message}`)
  const found = (value as Readonly<Record<string, unknown>>)[key]
  if (found === undefined)
    throw new UsageError(
      `${naming(option)} is missing: ${option.description}.`,
      option.positional ? {} : { remedy: `Expected ${option.expected}.` },
    )
  const near = typeof found === 'string' ? nearestName(found, option.choices) : undefined
  throw new UsageError(`${naming(option)} is ${JSON.stringify(found)}; expected ${option.expected}.`, {
    ...(near === undefined ? {} : { remedy: `Did you mean ${near}?` }),
  })
}

/** The error for an option that does not exist, with the nearest that does. */
export function unknownOption(name: string, options: readonly OptionDescription[], naming: Naming): UsageError {
  const near = nearestName(
    name,
    options.map((o) => o.key),
  )
  const option = options.find((o) => o.key === near)
  return new UsageError(`There is no ${naming({ key: name, flag: `--${kebab(name)}` })}.`, {
    remedy: option ? `Did you mean ${naming(option)}?` : 'See `graft --help`.',
  })
}

/** A Markdown table of a verb's options, a heading a group. */
export function optionsTable(schema: z.ZodObject): string {
  const groups = groupOptions(describeOptions(schema))
  const parts: string[] = []
  for (const [group, options] of groups) {
    parts.push(`### ${group}`, '', '| flag | option | value | default | what it does |', '|---|---|---|---|---|')
    for (const o of options) {
      const flag = o.negated ? `--no-${kebab(o.key)}` : o.flag
      const fallback = !shownDefault(o.default)
        ? ''
        : `\`${o.kind === 'boolean' ? String(o.default) : format(o.default)}\``
      parts.push(`| \`${flag}\` | \`${o.key}\` | ${cell(o.expected)} | ${fallback} | ${cell(o.description)} |`)
    }
    parts.push('')
  }
  return parts.join('\n')
}

/** Options by group, in the schema's order. */
export function groupOptions(options: readonly OptionDescription[]): Map<string, OptionDescription[]> {
  const groups = new Map<string, OptionDescription[]>()
  for (const option of options) groups.set(option.group, [...(groups.get(option.group) ?? []), option])
  return groups
}

export function format(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : typeof value === 'string' ? value : JSON.stringify(value)
}

/** Whether a default says something to a reader: an empty object does not. */
export function shownDefault(value: unknown): boolean {
  return value !== undefined && !(typeof value === 'object' && value !== null && Object.keys(value).length === 0)
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
