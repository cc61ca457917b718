/**
 * The one error type that users see. Every message says where, what was found, what was expected and what to do.
 */

/** A problem in the user's input or environment, with the remedy. */
export class GraftError extends Error {
  override readonly name = 'GraftError'
  /** What to do about it, one sentence. */
  readonly remedy: string | undefined

  constructor(message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.remedy = options.remedy
  }
}

/** Wrong use of an option or a flag: the command line exits with 2. */
export class UsageError extends GraftError {}

/** A fault of ours, not of the user's input. */
export class InternalError extends Error {
  override readonly name = 'InternalError'
  constructor(message: string) {
    super(`internal: ${message} (please report this)`)
  }
}

/** Throws an {@link InternalError} unless the condition holds. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InternalError(message)
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
