/** What the browser says of itself: processors, clock, version. */
import { absent } from './absent.js'

/**
 * Processors that arithmetic may use: one where the page is not isolated from other origins, because threads share memory
 * and browsers allow that to isolated pages only.
 */
export function cpuCount(): number {
  return globalThis.crossOriginIsolated ? Math.max(1, navigator.hardwareConcurrency) : 1
}

/** Milliseconds on a clock that never goes back; only differences mean anything. */
export function now(): number {
  return performance.now()
}

/** Date and time in ISO 8601, UTC; for records only, never for results. */
export function timestamp(): string {
  return new Date().toISOString()
}

export const residentMemory = absent(
  'does not say how much memory a page takes',
  "Look at it in the browser's own task manager.",
)

export const availableMemory = absent(
  'does not say how much memory is free',
  'Give a limit yourself, or try the training with a smaller batch.',
)

/** There are no environment variables. */
export function environment(_name: string): string | undefined {
  return undefined
}

/** Versions that results may depend on. */
export function runtimeVersions(): Record<string, string> {
  return { browser: navigator.userAgent }
}

export function systemName(): string {
  return navigator.userAgent
}

/** Lets timers, input and drawing have their turn. */
export function yieldTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve))
}

/** A name that nobody else uses; never for results. */
export function uniqueName(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function toBase64(bytes: Uint8Array): string {
  let text = ''
  // In pieces: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000))
  return btoa(text)
}
