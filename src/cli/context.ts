/** What a verb's file gets besides its options. */
import type { Output } from './output.js'

export interface CommandContext {
  readonly output: Output
  readonly signal: AbortSignal
  /** What was said on the command line or in the run file, without defaults. */
  readonly given: Readonly<Record<string, unknown>>
}
