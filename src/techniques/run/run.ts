/**
 * A run: work that can be awaited for its result, iterated for its events, and aborted. The work begins at once and goes on
 * whether or not anyone listens.
 */
import { throwIfAborted } from './aborted.js'
import type { PhaseName, RunEvent } from './events.js'
import { type Progress, startProgress } from './progress.js'

/** What the body of a run is given. */
export interface RunContext {
  readonly signal: AbortSignal
  emit(event: RunEvent): void
  phase(phase: PhaseName, message: string): void
  decide(name: string, choice: string | number | boolean, reason: string): void
  warn(message: string, remedy?: string): void
  progress(phase: PhaseName, total: number, unit: string, already?: number): Progress
}

export interface Run<T> extends PromiseLike<T>, AsyncIterable<RunEvent> {
  /** Stops the run at the next safe point; where it keeps checkpoints it saves one first. The run then rejects. */
  abort(reason?: unknown): void
  /** A plain promise of the result. */
  result(): Promise<T>
}

/**
 * Starts the work. Every iterator sees all events from the first on, except that a progress event that nobody has taken
 * yet gives way to the next one. Iterating ends with the run; it throws what the run throws.
 */
export function startRun<T>(
  work: (context: RunContext) => Promise<T>,
  options: { signal?: AbortSignal | undefined } = {},
): Run<T> {
  const controller = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, controller.signal]) : controller.signal
  const backlog: RunEvent[] = []
  const listeners = new Set<Listener>()
  let settled = false

  const emit = (event: RunEvent) => {
    queue(backlog, event)
    for (const listener of listeners) listener.push(event)
  }
  const context: RunContext = {
    signal,
    emit,
    phase: (phase, message) => emit({ type: 'phase', phase, message }),
    decide: (name, choice, reason) => emit({ type: 'decision', name, choice, reason }),
    warn: (message, remedy) => emit({ type: 'warning', message, ...(remedy === undefined ? {} : { remedy }) }),
    progress: (phase, total, unit, already) => startProgress(emit, phase, total, unit, already),
  }
  const begin = async () => {
    // The caller gets the run, and can listen, before the first event.
    await Promise.resolve()
    throwIfAborted(signal)
    return work(context)
  }
  const promise = begin().finally(() => {
    settled = true
    for (const listener of listeners) listener.end()
  })

  return {
    // biome-ignore lint/suspicious/noThenProperty: a run is awaitable by design
    then: (resolve, reject) => promise.then(resolve, reject),
    result: () => promise,
    abort: (reason) => controller.abort(reason),
    async *[Symbol.asyncIterator]() {
      // The iterator itself throws what the run throws.
      promise.catch(() => undefined)
      const listener = new Listener([...backlog])
      if (!settled) listeners.add(listener)
      try {
        for (;;) {
          const event = listener.take()
          if (event !== undefined) yield event
          else if (settled) break
          else await listener.changed()
        }
      } finally {
        listeners.delete(listener)
      }
      await promise
    },
  }
}

class Listener {
  readonly #events: RunEvent[]
  #wake: (() => void) | undefined

  constructor(events: RunEvent[]) {
    this.#events = events
  }

  push(event: RunEvent): void {
    queue(this.#events, event)
    this.end()
  }

  end(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  take(): RunEvent | undefined {
    return this.#events.shift()
  }

  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

/** Only the last of several progress reports in a row is worth keeping. */
function queue(events: RunEvent[], event: RunEvent): void {
  const last = events[events.length - 1]
  if (event.type === 'progress' && last?.type === 'progress' && last.phase === event.phase)
    events[events.length - 1] = event
  else events.push(event)
}
