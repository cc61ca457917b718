/** What was tried, how each did on the split that chooses, and why one was kept. */
import { figureText, intervalText } from '../figures.js'
import { duration, percent } from '../format.js'
import { nounsOf, type ReportData } from './data.js'
import { type Html, html } from './html.js'
import { named, table } from './parts.js'

export function candidates({ candidates: tried, evaluation, nouns }: ReportData): Html | undefined {
  if (tried === undefined || tried.items.length === 0) return undefined
  const some = <K extends 'macroF1' | 'seconds' | 'note'>(key: K) => tried.items.some((item) => item[key] !== undefined)
  const { many } = nounsOf({ nouns })
  const { name, share } = tried.measure ?? { name: 'accuracy', share: true }
  const title = name.charAt(0).toUpperCase() + name.slice(1)
  return html`<p>${tried.reason}</p>
${table(tried.items, [
  { title: 'Method', cell: (item) => html`${named(item.name)}${item.kept && html` <span class="tag">kept</span>`}` },
  {
    title: html`${title} <small>(${tried.split})</small>`,
    numeric: true,
    cell: (item) => figureText({ value: item.accuracy, share }),
  },
  {
    title: '95% interval',
    numeric: true,
    cell: (item) => item.interval && intervalText({ interval: item.interval, share }),
  },
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
      ? html`There is no separate test split: the figure at the top is measured on the ${many} that made this choice, so that it flatters the kept method a little. Give ${many} of their own for testing to know better.`
      : html`The choice was made on the ${tried.split} split, so that a kept method's figure there flatters it a little. The figure at the top comes from ${many} that chose nothing.`
  }</p>`
}
