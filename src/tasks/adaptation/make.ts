/** Makes the candidates one after the other; one that is finished is kept, so that a run that goes on makes it no second time. */
import { sha256 } from '#platform'
import { GraftError, messageOf } from '../../base/errors.js'
import { AbortedError } from '../../techniques/run/aborted.js'
import type { RunDirectory } from '../../techniques/run/directory.js'
import type { RunContext } from '../../techniques/run/run.js'
import { type AdaptationCandidate, decodeCandidate, encodeCandidate } from './candidate.js'

/** A candidate that is to be made. */
export interface Planned {
  readonly name: string
  readonly title: string
  /** Without it there is nothing to compare with: its fault is the run's. */
  readonly needed: boolean
  /** @param before the candidates that were made before it */
  make(before: readonly AdaptationCandidate[]): Promise<AdaptationCandidate>
}

export interface Made {
  readonly candidates: readonly AdaptationCandidate[]
  readonly failed: readonly { readonly name: string; readonly title: string; readonly reason: string }[]
}

const checkpointOf = (i: number) => `candidate-${i}`

/** The checkpoint without which a run that goes on would begin anew. */
export const FIRST_CANDIDATE = checkpointOf(0)

/** @param key of everything that the candidates follow from: what was kept under another is made anew */
export async function makeCandidates(
  planned: readonly Planned[],
  key: string,
  directory: RunDirectory,
  context: RunContext,
): Promise<Made> {
  const candidates: AdaptationCandidate[] = []
  const failed: { name: string; title: string; reason: string }[] = []
  const progress = context.progress('fine-tuning', planned.length, 'candidates')
  for (const [i, { name, title, needed, make }] of planned.entries()) {
    context.signal.throwIfAborted()
    const own = sha256(`${key}\n${name}`)
    const file = checkpointOf(i)
    const kept = await directory.readCheckpoint(file)
    const known = kept === undefined ? undefined : decodeCandidate(kept, own)
    if (known !== undefined) candidates.push(known)
    else
      try {
        const candidate = await make(candidates)
        await directory.writeCheckpoint(file, encodeCandidate(candidate, own))
        candidates.push(candidate)
      } catch (error) {
        // One that this backbone or these data cannot have does not spoil the others.
        if (needed || !(error instanceof GraftError) || error instanceof AbortedError) throw error
        failed.push({ name, title, reason: messageOf(error) })
        context.warn(`${title} was not made: ${messageOf(error)}`, error.remedy)
      }
    progress.set(i + 1)
  }
  return { candidates, failed }
}
