/** Statistics of repeated measurements, and tables of them. */
import { availableParallelism, cpus } from 'node:os'

export interface Spread {
  readonly min: number
  readonly median: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { min: sorted[0]!, median }
}

/** "612 / 640": the least and the median. */
export const showSpread = ({ min, median }: Spread, digits = 0): string =>
  `${min.toFixed(digits)} / ${median.toFixed(digits)}`

export const ratio = (a: number | undefined, b: number | undefined): string =>
  a === undefined || b === undefined ? '-' : (a / b).toFixed(2)

/** A table with a head and rows: Markdown, or columns for a terminal. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[], markdown: boolean): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)))
  const cells = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
  if (!markdown) return [head, ...rows].map((row) => cells(row).join('  ').trimEnd()).join('\n')
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`))
  return [
    `| ${cells(head).join(' | ')} |`,
    `|${rule.join('|')}|`,
    ...rows.map((r) => `| ${cells(r).join(' | ')} |`),
  ].join('\n')
}

/** What was measured on, without which no figure means anything. */
export function machine(threads: number): string {
  return `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} cores, ${threads} threads, Node ${process.version}`
}
