/** What was tried, how each did on the split that chooses, and why one was kept. */
import { duration, percent, percentInterval } from '../format.js'
import type { ReportData } from './data.js'
import { type Html, html } from './html.js'
import { named, table } from './parts.js'

export function candidates({ candidates: tried, evaluation }: ReportData): Html | undefined {
  if (tried === undefined || tried.items.length === 0) return undefined
  const some = <K extends 'macroF1' | 'seconds' | 'note'>(key: K) => tried.items.some((item) => item[key] !== undefined)
  return html`<p>${tried.reason}</p>
${table(tried.items, [
  { title: 'Method', cell: (item) => html`${named(item.name)}${item.kept && html` <span class="tag">kept</span>`}` },
  { title: html`Accuracy <small>(${tried.split})</small>`, numeric: true, cell: (item) => percent(item.accuracy) },
  { title: '95% interval', numeric: true, cell: (item) => item.interval && percentInterval(item.interval) },
  ...(some('macroF1')
    ? [
        {
          title: 'Macro F1',
          numeric: true,
          cell: (item: (typeof tried.items)[number]) => item.macroF1 !== undefined && percent(item.macroF1),
        },
      ]
    : []),
  ...(some('seconds')
    ? [
        {
          title: 'Time',
          numeric: true,
          cell: (item: (typeof tried.items)[number]) => item.seconds !== undefined && duration(item.seconds),
        },
      ]
    : []),
  ...(some('note') ? [{ title: 'Remarks', cell: (item: (typeof tried.items)[number]) => item.note }] : []),
])}
<p class="note">${
    evaluation?.split === tried.split
      ? html`There is no separate test split: the accuracy at the top is measured on the photos that made this choice, so that it flatters the kept method a little. Give photos of their own for testing to know better.`
      : html`The choice was made on the ${tried.split} split, so that a kept method's figure there flatters it a little. The accuracy at the top comes from photos that chose nothing.`
  }</p>`
}
