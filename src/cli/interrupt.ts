/** Ctrl-C: the first asks the run to stop at its next safe point, the second quits at once. */
import process from 'node:process'

/** Exit codes that shells give to programs ended by these signals. */
export const SIGNAL_CODES = { SIGINT: 130, SIGTERM: 143 } as const

export interface Interrupts {
  readonly signal: AbortSignal
  /** The exit code where something asked the run to stop. */
  code(): number | undefined
  /** Asks the run to stop at its next safe point, as the first Ctrl-C does. */
  stop(exitCode: number): void
  dispose(): void
}

export function watchInterrupts(tell: (text: string) => void): Interrupts {
  const controller = new AbortController()
  let code: number | undefined
  let signalled = false
  const stop = (exitCode: number) => {
    code ??= exitCode
    controller.abort()
  }
  const handlers = (['SIGINT', 'SIGTERM'] as const).map((name) => {
    const handler = () => {
      // The signal itself ends the process: process.exit would take the worker down in the middle of a native call.
      if (signalled) {
        dispose()
        process.kill(process.pid, name)
        return
      }
      signalled = true
      tell('Stopping after this step; press Ctrl-C again to quit at once.')
      stop(SIGNAL_CODES[name])
    }
    process.on(name, handler)
    return { name, handler }
  })
  const dispose = () => {
    for (const { name, handler } of handlers) process.off(name, handler)
  }
  return {
    signal: controller.signal,
    code: () => code,
    stop,
    dispose,
  }
}
