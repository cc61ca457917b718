/** A run's events as lines for a person. */
import { figureText, intervalText } from '../evaluate/figures.js'
import { duration, percent } from '../evaluate/format.js'
import { visible } from '../evaluate/summary.js'
import type { EventOf, RunEvent } from '../techniques/run/events.js'

/** The line for an event; undefined for one that is shown another way or not at all. */
export function describeEvent(event: RunEvent): string | undefined {
  switch (event.type) {
    case 'phase':
      return visible(event.message)
    case 'decision': {
      const { name, choice, reason } = event
      // A sentence stands after the choice, a phrase in brackets.
      const why = reason.endsWith('.') ? `. ${reason}` : ` (${reason})`
      return visible(`  ${name}: ${String(choice)}${why}`)
    }
    case 'epoch':
      return `  ${describeEpoch(event)}`
    case 'metric':
      return `  ${describeMetric(event)}`
    case 'warning':
      return `warning: ${visible(event.message)}${event.remedy === undefined ? '' : `\n  ${event.remedy}`}`
    case 'skipped':
      return `skipped ${visible(event.id)}: ${visible(event.reason)}`
    case 'resumed':
      return event.step === 0 ? '  going on with the interrupted run' : `  going on after step ${event.step}`
    case 'saved':
      return `${SAVED[event.what]}: ${event.path}`
    case 'checkpoint':
    case 'progress':
    case 'done':
      return undefined
  }
}

const SAVED = { model: 'model', report: 'report', run: 'run file' } as const

function describeEpoch(event: EventOf<'epoch'>): string {
  const parts = [`epoch ${event.epoch} of ${event.epochs}`, `loss ${event.trainLoss.toFixed(3)}`]
  if (event.validationLoss !== undefined) parts.push(`validation loss ${event.validationLoss.toFixed(3)}`)
  if (event.validationValue !== undefined) {
    const value = event.valueName === 'R2' ? event.validationValue.toFixed(3) : percent(event.validationValue)
    parts.push(`${event.valueName} ${value}`)
  }
  parts.push(duration(event.seconds))
  return `${parts.join(', ')}${event.best ? ' (best so far)' : ''}`
}

function describeMetric(event: EventOf<'metric'>): string {
  // A number's figures are in its own unit, or have none.
  const share = !/R2|error|distance/.test(event.name)
  const text = (value: number) => figureText({ value, share })
  const interval =
    event.low === undefined || event.high === undefined
      ? ''
      : ` (95% interval ${intervalText({ interval: { low: event.low, high: event.high }, share })})`
  const n = event.n === undefined ? '' : `, n = ${event.n}`
  return `${event.name} on ${event.on}${n}: ${text(event.value)}${interval}`
}
