/** The data as they were used: photos by class and split, and the files that were left out. */
import { counted, grouped } from '../format.js'
import type { ReportData } from './data.js'
import { type Html, html } from './html.js'
import { className, named, table } from './parts.js'

export function dataSummary({ data, classes }: ReportData): Html | undefined {
  if (data === undefined) return undefined
  const totals = data.splits.map((split) => split.counts.reduce((sum, count) => sum + count, 0))
  const all = totals.reduce((sum, total) => sum + total, 0)
  const rows: (number | undefined)[] = [...classes.keys(), undefined]
  const content = table(rows, [
    { title: 'Class', cell: (k) => (k === undefined ? 'All' : className(classes, k)) },
    ...data.splits.map((split, s) => ({
      title: named(split.name),
      numeric: true,
      cell: (k: number | undefined) => grouped(k === undefined ? totals[s]! : (split.counts[k] ?? 0)),
    })),
    {
      title: 'All',
      numeric: true,
      cell: (k) => grouped(k === undefined ? all : data.splits.reduce((sum, split) => sum + (split.counts[k] ?? 0), 0)),
    },
  ])
  return html`<p>${counted(all, 'photo')} in ${counted(classes.length, 'class', 'classes')} from <code>${named(data.source)}</code>.${data.splitRule && html` Split: ${data.splitRule}.`}</p>
${classes.length > 40 ? html`<details><summary>All ${classes.length} classes</summary>${content}</details>` : content}`
}

const LISTED = 20

export function skipped({ skipped: left }: ReportData): Html | undefined {
  if (left === undefined || left.total === 0) return undefined
  const list = table(left.items, [
    { title: 'File', cell: (item) => html`<code>${named(item.name)}</code>` },
    { title: 'Reason', cell: (item) => item.reason },
  ])
  return html`<p>${counted(left.total, 'file')} ${left.total === 1 ? 'was' : 'were'} left out.${left.items.length < left.total && ` The first ${left.items.length} are listed.`}</p>
${left.items.length === 0 ? undefined : left.items.length > LISTED ? html`<details><summary>Show the list</summary>${list}</details>` : list}`
}
