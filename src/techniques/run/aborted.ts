/** What a run that was stopped throws. Depends on nothing, so that the command line can know it without loading the rest. */
import { messageOf } from '../../base/errors.js'

/** A run that was stopped by its signal. */
export class AbortedError extends Error {
  override readonly name = 'AbortError'
  /** The folder from which it can go on; undefined where nothing was kept. */
  readonly resumeFrom: string | undefined

  constructor(message: string, options: { resumeFrom?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.resumeFrom = options.resumeFrom
  }
}

/** Throws an {@link AbortedError} where the signal says so. */
export function throwIfAborted(signal: AbortSignal | undefined, resumeFrom?: string): void {
  if (!signal?.aborted) return
  const reason: unknown = signal.reason
  const plain = reason === undefined || (reason instanceof DOMException && reason.name === 'AbortError')
  throw new AbortedError(plain ? 'The run was stopped.' : `The run was stopped: ${messageOf(reason)}`, {
    ...(resumeFrom === undefined ? {} : { resumeFrom }),
    cause: reason,
  })
}
