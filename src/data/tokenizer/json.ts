/** Reading the parts of a tokenizer.json, with errors that name the part. */
import { GraftError } from '../../base/errors.js'

export type Part = Readonly<Record<string, unknown>>

export const isPart = (value: unknown): value is Part =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function asPart(value: unknown, what: string): Part {
  if (isPart(value)) return value
  throw malformed(`${what} is ${value === undefined ? 'missing' : 'not an object'}`)
}

export function asParts(value: unknown, what: string): Part[] {
  if (Array.isArray(value)) return value.map((entry, i) => asPart(entry, `${what}[${i}]`))
  throw malformed(`${what} is ${value === undefined ? 'missing' : 'not a list'}`)
}

export function textOf(part: Part, name: string, fallback?: string): string {
  const value = part[name] ?? fallback
  if (typeof value === 'string') return value
  throw malformed(`"${name}" of ${typeOf(part)} is ${value === undefined ? 'missing' : 'not a text'}`)
}

export function flagOf(part: Part, name: string, fallback: boolean): boolean {
  const value = part[name] ?? fallback
  if (typeof value === 'boolean') return value
  throw malformed(`"${name}" of ${typeOf(part)} is ${String(value)}, expected true or false`)
}

export const typeOf = (part: Part): string => (typeof part.type === 'string' ? part.type : 'an unnamed part')

export const malformed = (problem: string): GraftError =>
  new GraftError(`The tokenizer.json is not one that Hugging Face's tokenizers reads: ${problem}.`, {
    remedy: 'Copy the file again from where the model came from.',
  })

export const unsupported = (what: string): GraftError =>
  new GraftError(`The tokenizer.json uses ${what}, which Graft does not compute.`, {
    remedy: 'Use a model with another tokenizer, and please report this one.',
  })
