/** The methods by name, each with its defaults. */
import { UsageError } from '../../base/errors.js'
import { nearestName } from '../../base/nearest.js'
import { bnAdapt } from './bnAdapt.js'
import { eata } from './eata.js'
import { labelShift } from './labelShift.js'
import { lame } from './lame.js'
import type { StreamMethod } from './method.js'
import { sar } from './sar.js'
import { shotStream } from './shot.js'
import { t3a } from './t3a.js'
import { tent } from './tent.js'

/** A name a method. */
export const STREAM_METHODS = {
  'bn-adapt': () => bnAdapt(),
  tent: () => tent(),
  eata: () => eata(),
  sar: () => sar(),
  shot: () => shotStream(),
  t3a: () => t3a(),
  lame: () => lame(),
  'label-shift': () => labelShift(),
} as const satisfies Readonly<Record<string, () => StreamMethod>>

export type StreamMethodName = keyof typeof STREAM_METHODS

/** @throws UsageError for a name that is none of them */
export function resolveStreamMethod(method: StreamMethodName | StreamMethod): StreamMethod {
  if (typeof method !== 'string') return method
  const found = Object.hasOwn(STREAM_METHODS, method) ? STREAM_METHODS[method] : undefined
  if (found !== undefined) return found()
  const names = Object.keys(STREAM_METHODS)
  const near = nearestName(method, names)
  throw new UsageError(`There is no method "${method}" for streams.`, {
    remedy: `${near === undefined ? '' : `Did you mean ${near}? `}They are: ${names.join(', ')}.`,
  })
}
