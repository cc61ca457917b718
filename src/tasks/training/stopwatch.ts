/** Time and memory of a run's parts, for its report; nothing that is computed depends on them. */
import { now, residentMemory } from '#platform'
import type { Phase } from '../../evaluate/report/data.js'

export interface Stopwatch {
  /** Runs a part and counts it. */
  time<T>(name: string, work: () => Promise<T>): Promise<T>
  phases(): readonly Phase[]
  seconds(): number
  peakBytes(): number
  /** Seconds that a part took so far. */
  secondsOf(name: string): number
  /** The most memory that a part took so far; 0 where it has not begun. */
  peakBytesOf(name: string): number
  stop(): void
}

const SAMPLING_MS = 250

export function startStopwatch(): Stopwatch {
  const begun = now()
  const parts = new Map<string, { seconds: number; peakBytes: number }>()
  let open: string | undefined
  let peak = residentMemory()
  const sample = () => {
    const bytes = residentMemory()
    peak = Math.max(peak, bytes)
    const part = open === undefined ? undefined : parts.get(open)
    if (part !== undefined) part.peakBytes = Math.max(part.peakBytes, bytes)
  }
  const timer = setInterval(sample, SAMPLING_MS)
  timer.unref()
  return {
    async time(name, work) {
      const part = parts.get(name) ?? { seconds: 0, peakBytes: 0 }
      parts.set(name, part)
      const outer = open
      open = name
      sample()
      const started = now()
      try {
        return await work()
      } finally {
        part.seconds += (now() - started) / 1000
        sample()
        open = outer
      }
    },
    phases: () => Array.from(parts, ([name, part]) => ({ name, ...part })),
    seconds: () => (now() - begun) / 1000,
    peakBytes: () => peak,
    secondsOf: (name) => parts.get(name)?.seconds ?? 0,
    peakBytesOf: (name) => parts.get(name)?.peakBytes ?? 0,
    stop: () => clearInterval(timer),
  }
}
