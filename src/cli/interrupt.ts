/** Ctrl-C: the first asks the run to stop at its next safe point, the second quits at once. */
import process from 'node:process'

/** Exit codes that shells give to programs ended by these signals. */
export const SIGNAL_CODES = { SIGINT: 130, SIGTERM: 143 } as const

export interface Interrupts {
  readonly signal: AbortSignal
  /** The exit code where a signal came. */
  code(): number | undefined
  dispose(): void
}

export function watchInterrupts(tell: (text: string) => void): Interrupts {
  const controller = new AbortController()
  let code: number | undefined
  const handlers = (['SIGINT', 'SIGTERM'] as const).map((name) => {
    const handler = () => {
      if (code !== undefined) process.exit(SIGNAL_CODES[name])
      code = SIGNAL_CODES[name]
      tell('Stopping after this step; press Ctrl-C again to quit at once.')
      controller.abort()
    }
    process.on(name, handler)
    return { name, handler }
  })
  return {
    signal: controller.signal,
    code: () => code,
    dispose: () => {
      for (const { name, handler } of handlers) process.off(name, handler)
    },
  }
}
