/**
 * What the command line prints: JSON lines for programs, a bar that redraws itself on a terminal, plain lines elsewhere.
 * Results and progress go to standard output, errors and (with `--json`) nothing else to standard error.
 */
import { styleText } from 'node:util'
import { GraftError, InternalError, messageOf } from '../base/errors.js'
import { size } from '../base/size.js'
import { duration } from '../evaluate/format.js'
import type { SummaryLine } from '../evaluate/summary.js'
import { AbortedError } from '../techniques/run/aborted.js'
import type { EventOf, RunEvent } from '../techniques/run/events.js'
import { describeEvent } from './describeEvent.js'

export interface Output {
  event(event: RunEvent): void
  /** An event for a person only. */
  show(event: RunEvent): void
  /** A line for a person; nothing with `--json`. */
  line(text: string, kind?: LineKind): void
  /** A warning, on standard error. */
  warn(text: string): void
  /** An object for a program; nothing without `--json`. */
  object(value: unknown): void
  /** Clears the bar. */
  end(): void
}

/** What a line is, so that a terminal can show it. */
export type LineKind = SummaryLine['kind']

export interface Streams {
  readonly out: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number }
  readonly err: { write(text: string): unknown }
}

export function openOutput(json: boolean, streams: Streams = { out: process.stdout, err: process.stderr }): Output {
  if (json) return jsonOutput(streams)
  return streams.out.isTTY ? terminalOutput(streams) : plainOutput(streams)
}

function jsonOutput({ out, err }: Streams): Output {
  const object = (value: unknown) => out.write(`${JSON.stringify(value)}\n`)
  const nothing = () => undefined
  return { event: object, show: nothing, object, line: nothing, warn: (text) => err.write(`${text}\n`), end: nothing }
}

/** Seconds between two lines of progress where there is no terminal. */
const PLAIN_INTERVAL = 10

function plainOutput({ out, err }: Streams): Output {
  let told = 0
  const line = (text: string) => out.write(`${text}\n`)
  const event = (event: RunEvent) => {
    if (event.type === 'phase') told = 0
    if (event.type === 'progress') {
      if (event.elapsed - told < PLAIN_INTERVAL || event.done >= event.total) return
      told = event.elapsed
      line(`  ${progressText(event)}`)
      return
    }
    const text = describeEvent(event)
    if (text !== undefined) line(text)
  }
  return {
    event,
    show: event,
    line,
    warn: (text) => err.write(`${text}\n`),
    object: () => undefined,
    end: () => undefined,
  }
}

function terminalOutput({ out, err }: Streams): Output {
  let bar = ''
  const clear = () => {
    if (bar !== '') out.write('\r\u001b[2K')
    bar = ''
  }
  const line = (text: string, kind: LineKind = 'text') => {
    clear()
    out.write(`${styled(text, kind)}\n`)
  }
  const event = (event: RunEvent) => {
    if (event.type === 'progress') {
      const next = event.done >= event.total ? '' : barText(event, out.columns ?? 80)
      if (next === '') return clear()
      out.write(`\r\u001b[2K${next}`)
      bar = next
      return
    }
    const text = describeEvent(event)
    if (text === undefined) return
    const kept = event.type === 'phase' ? '' : bar
    line(text, LINE_KINDS[event.type])
    if (kept !== '') {
      out.write(kept)
      bar = kept
    }
  }
  return {
    event,
    show: event,
    line,
    warn(text) {
      clear()
      err.write(`${text}\n`)
    },
    object: () => undefined,
    end: clear,
  }
}

/** Events that stand out. */
const LINE_KINDS: Partial<Record<RunEvent['type'], LineKind>> = {
  phase: 'headline',
  warning: 'warning',
  skipped: 'warning',
}

const STYLES = { headline: 'bold', heading: 'underline', warning: 'yellow', text: undefined, blank: undefined } as const

/** Respects NO_COLOR. */
function styled(text: string, kind: LineKind): string {
  const style = STYLES[kind]
  return style === undefined || text === '' || process.env.NO_COLOR ? text : styleText(style, text)
}

function progressText(event: EventOf<'progress'>): string {
  const left = event.remaining === undefined ? '' : `, about ${duration(event.remaining)} left`
  if (event.unit === 'bytes') return `${size(event.done)} of ${size(event.total)}${left}`
  return `${event.done} of ${event.total} ${event.unit}${left}`
}

function barText(event: EventOf<'progress'>, columns: number): string {
  const width = Math.max(8, Math.min(30, columns - 45))
  const filled = event.total === 0 ? width : Math.round((width * event.done) / event.total)
  const text = `  ${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${progressText(event)}`
  // A line that wraps could not be redrawn.
  return [...text].slice(0, Math.max(10, columns - 1)).join('')
}

/** What went wrong, for a person: what was found and expected, then what to do. The stack only with GRAFT_DEBUG=1. */
export function describeError(error: unknown): string {
  const lines: string[] = []
  if (error instanceof AbortedError) {
    lines.push(error.message)
    if (error.resumeFrom !== undefined) lines.push(`  Go on with: graft resume ${quoted(error.resumeFrom)}`)
  } else {
    lines.push(`error: ${messageOf(error)}`)
    if (error instanceof GraftError && error.remedy !== undefined) lines.push(`  ${error.remedy}`)
    else if (!(error instanceof GraftError) && !(error instanceof InternalError))
      lines.push('  This was not expected. GRAFT_DEBUG=1 shows where it happened.')
  }
  if (process.env.GRAFT_DEBUG === '1' && error instanceof Error) {
    lines.push(error.stack ?? '')
    if (error.cause !== undefined)
      lines.push(
        `caused by ${error.cause instanceof Error ? (error.cause.stack ?? messageOf(error.cause)) : String(error.cause)}`,
      )
  }
  return lines.join('\n')
}

/** A path as it can be pasted into a shell. */
export function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
