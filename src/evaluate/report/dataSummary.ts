/** The data as they were used: photos by class and split, and the files that were left out. */
import { counted, grouped, percent } from '../format.js'
import { nounsOf, type ReportData, type Truncation } from './data.js'
import { type Html, html } from './html.js'
import { className, named, table } from './parts.js'

export function dataSummary({ data, classes, nouns, truncation, evaluation }: ReportData): Html | undefined {
  if (data === undefined) return undefined
  const { one, many } = nounsOf({ nouns })
  const sums = data.splits.map((split) => split.counts.reduce((sum, count) => sum + count, 0))
  const totals = data.splits.map((split, s) => split.total ?? sums[s]!)
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
  return html`<p>${counted(all, one, many)}${evaluation?.kind !== 'number' && html` in ${counted(classes.length, 'class', 'classes')}`} from <code>${named(data.source)}</code>.${data.splitRule && html` Split: ${data.splitRule}.`}</p>
${truncation && html`<p>${cutText(truncation, many)}</p>`}
${classes.length > 40 ? html`<details><summary>All ${classes.length} classes</summary>${content}</details>` : content}`
}

function cutText({ texts, cut, maxLength, longest }: Truncation, many: string): string {
  return cut === 0
    ? `None of the ${many} is longer than the ${grouped(maxLength)} tokens that the network reads; the longest has ${grouped(longest)}.`
    : `${grouped(cut)} of ${grouped(texts)} ${many} (${percent(cut / Math.max(1, texts))}) are longer than the ${grouped(maxLength)} tokens that the network reads and were cut; the longest has ${grouped(longest)}. --max-length changes that.`
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
