/** Weightings and architectures as values: what `multitask` takes beside their names. */
import {
  alignedMtl,
  cagrad,
  cgc,
  crossStitch,
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
  mmoe,
  nashMtl,
  pcgrad,
  ple,
  rlw,
  stch,
  uncertainty,
  upgrad,
} from '../../techniques/multiTask/index.js'
import { methodText, type OptionValue } from '../training/methods/specification.js'
import { ARCHITECTURES, WEIGHTINGS } from './choices.js'

/** How the losses of several tasks are weighed, or their gradients combined: `weightings.dwa({ temperature: 2 })`. */
export const weightings = Object.freeze({
  equal,
  fixed,
  uncertainty,
  dwa,
  rlw,
  gradNorm,
  famo,
  stch,
  imtlL,
  geometric,
  pcgrad,
  mgda,
  cagrad,
  nashMtl,
  alignedMtl,
  imtlG,
  gradDrop,
  upgrad,
})

/** How several tasks share a network on features: `architectures.mmoe({ experts: 4 })`. */
export const architectures = Object.freeze({ hardSharing, crossStitch, mmoe, cgc, ple })

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
