/**
 * A method of fine-tuning as people write it, on the command line, in run files and in lists: `l2-sp`, `lora(rank=8,
 * targets=query|value)`. Text is the one form of it that everything can hold.
 */
import { UsageError } from '../../../base/errors.js'

export type OptionValue = number | boolean | string | readonly string[]

export interface MethodSpecification {
  readonly name: string
  readonly options: Readonly<Record<string, OptionValue>>
}

const EXAMPLE = 'Write it as a name, or with options in brackets: lora(rank=8, targets=query|value).'

/** @throws UsageError for text of another form */
export function parseMethod(text: string): MethodSpecification {
  const [, name, , inside] = /^\s*([\w-]+)\s*(\(([^()]*)\))?\s*$/.exec(text) ?? []
  if (name === undefined) throw new UsageError(`"${text}" is not the name of a method.`, { remedy: EXAMPLE })
  const options: Record<string, OptionValue> = {}
  for (const part of (inside ?? '').split(',')) {
    if (part.trim() === '') continue
    const at = part.indexOf('=')
    const key = part.slice(0, at).trim()
    if (at < 0 || key === '')
      throw new UsageError(`${name}: "${part.trim()}" is no option; expected key=value.`, { remedy: EXAMPLE })
    if (Object.hasOwn(options, key)) throw new UsageError(`${name}: the option ${key} is given twice.`)
    options[key] = readValue(part.slice(at + 1).trim())
  }
  return { name: name.toLowerCase(), options }
}

function readValue(text: string): OptionValue {
  if (text === 'true' || text === 'false') return text === 'true'
  if (text !== '' && Number.isFinite(Number(text))) return Number(text)
  return text.includes('|') ? text.split('|').map((part) => part.trim()) : text
}

/** The text that {@link parseMethod} reads as the same. */
export function methodText({ name, options }: MethodSpecification): string {
  const parts = Object.entries(options).map(([key, value]) => `${key}=${[value].flat().join('|')}`)
  return parts.length === 0 ? name : `${name}(${parts.join(', ')})`
}

/** A list as a flag holds it: commas inside brackets belong to a method. */
export function splitList(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
}
