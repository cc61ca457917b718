/** Progress of a countable piece of work, told a few times a second with an estimate of the time left. */
import { now } from '#platform'
import type { PhaseName, RunEvent } from './events.js'

export interface Progress {
  /** So many more are done. */
  advance(count?: number): void
  /** So many are done in all. */
  set(done: number): void
}

/** No more often than this, in milliseconds; the first and the last are always told. */
const INTERVAL = 100

/**
 * @param already work done before the start (by a run that was interrupted), which says nothing about the pace
 */
export function startProgress(
  emit: (event: RunEvent) => void,
  phase: PhaseName,
  total: number,
  unit: string,
  already = 0,
): Progress {
  const begun = now()
  let done = already
  let told = Number.NEGATIVE_INFINITY
  const tell = () => {
    const at = now()
    if (at - told < INTERVAL && done < total) return
    told = at
    const elapsed = (at - begun) / 1000
    const fresh = done - already
    const remaining = done >= total ? 0 : fresh > 0 ? (elapsed / fresh) * (total - done) : undefined
    emit({ type: 'progress', phase, done, total, unit, elapsed, remaining })
  }
  tell()
  return {
    advance(count = 1) {
      done = Math.min(total, done + count)
      tell()
    },
    set(value) {
      done = Math.min(total, value)
      tell()
    },
  }
}
