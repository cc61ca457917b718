/** Figures and verdicts of several tasks as people read them: the same in report, terminal and card. */
import { percent, points } from '../format.js'
import type { ReportedSystem, ReportedTask, TaskReport } from './data.js'
import type { DeltaMtl, TaskDelta } from './delta.js'

/** '87.6%'; an error in its own unit. */
export function measureText(measure: ReportedTask['measure'], value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return 'not known'
  return measure === 'mean absolute error' ? String(Number(value.toPrecision(3))) : percent(value)
}

/** '+1.2 points', or of an error '-0.31'. */
export function gainText({ measure, gain }: Pick<TaskDelta, 'measure' | 'gain'>): string {
  return measure === 'mean absolute error' ? signed(gain) : `${points(gain)} points`
}

export function gainIntervalText({ measure, low, high }: Pick<TaskDelta, 'measure' | 'low' | 'high'>): string {
  return measure === 'mean absolute error' ? `${signed(low)} to ${signed(high)}` : `${points(low)} to ${points(high)}`
}

const signed = (value: number): string =>
  `${value > 0 ? '+' : ''}${Number(value.toPrecision(3))}`.replace('-', '\u2212')

/** '+1.3%' of a share. */
export function deltaText(share: number): string {
  return `${points(share)}%`
}

export function deltaIntervalText({ low, high }: Pick<DeltaMtl, 'low' | 'high'>): string {
  return `${points(low)} to ${points(high)}%`
}

/** Whether sharing was worth it, in a sentence that claims no more than the interval allows. */
export function verdict({ delta, tasks }: Pick<TaskReport, 'delta' | 'tasks'>): string {
  const began = tasks.filter((task) => task.began === true).map(({ name }) => name)
  const all = began.length === tasks.length
  const kept =
    began.length === 0
      ? ''
      : ` ${all ? 'All tasks' : began.join(', ')} kept the linear head that training began with: going on did not lower ${all || began.length > 1 ? 'their' : 'its'} loss on the validation samples.`
  return `${sharing(delta)}${kept}`
}

function sharing(delta: DeltaMtl | undefined): string {
  if (delta === undefined)
    return 'No networks of one task each were trained, so nothing is known of what sharing brings.'
  const sure = delta.low > 0 ? 'helped' : delta.high < 0 ? 'hurt' : undefined
  const better = delta.tasks.filter(({ low }) => low > 0).map(({ name }) => name)
  const worse = delta.tasks.filter(({ high }) => high < 0).map(({ name }) => name)
  const beyond = [
    ...(better.length > 0 ? [`better at ${better.join(', ')}`] : []),
    ...(worse.length > 0 ? [`worse at ${worse.join(', ')}`] : []),
  ]
  const detail = beyond.length > 0 ? ` Beyond chance it is ${beyond.join(' and ')}.` : ' No task differs beyond chance.'
  return sure === undefined
    ? `On these samples sharing neither helped nor hurt beyond chance: one network does the work of ${delta.tasks.length}.${detail}`
    : `Sharing ${sure}.${detail}`
}

export function systemNamed(systems: readonly ReportedSystem[], key: string): ReportedSystem | undefined {
  return systems.find((system) => system.key === key)
}
