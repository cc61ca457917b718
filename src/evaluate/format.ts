/** Numbers as people read them, the same in the report, the terminal and the model card. */
import type { Interval } from './intervals.js'

export { size } from '../base/size.js'

/** 0.8763 as '87.6%'. */
export function percent(share: number, digits = 1): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(digits)}%` : 'not known'
}

/** An interval of shares as '84.1 to 90.3%'. */
export function percentInterval({ low, high }: Interval, digits = 1): string {
  return `${(100 * low).toFixed(digits)} to ${percent(high, digits)}`
}

/** A difference of shares in points, with its sign: 0.031 as '+3.1'. */
export function points(difference: number): string {
  const text = (100 * difference).toFixed(1)
  return difference > 0 && text !== '0.0' ? `+${text}` : text.replace('-', '\u2212')
}

/** 12345.6 as '12,345.6'; at most three decimals. */
export function grouped(value: number): string {
  const [whole, fraction] = String(Number(value.toFixed(3))).split('.')
  const text = whole!.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? text : `${text}.${fraction}`
}

/** '1 photo', '12 photos'. */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${grouped(n)} ${n === 1 ? one : many}`
}

/** Seconds as '0.8 s', '42 s', '3 min 12 s', '1 h 05 min'. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`
}
