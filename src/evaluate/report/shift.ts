/** How far two domains lie apart: measures and tests, classes, and the samples that are most and least alike. */
import { percent, percentInterval } from '../format.js'
import { nounsOf, type ReportData } from './data.js'
import { type Html, html } from './html.js'
import { examples, named, table } from './parts.js'

export function shift({ shift: found, nouns }: ReportData): Html | undefined {
  if (found === undefined) return undefined
  const { many } = nounsOf({ nouns })
  return html`<p>${found.verdict}</p>
${table(found.measures, [
  { title: 'Measure', cell: (one) => one.title },
  {
    title: 'Value',
    numeric: true,
    cell: (one) =>
      html`${figureOf(one.value)}${one.interval && html` <small>${one.interval.low.toFixed(2)} to ${one.interval.high.toFixed(2)}</small>`}`,
  },
  ...(found.measures.some(({ pValue }) => pValue !== undefined)
    ? [
        {
          title: 'p-value',
          numeric: true,
          cell: (one: (typeof found.measures)[number]) => one.pValue !== undefined && pText(one.pValue),
        },
      ]
    : []),
  { title: 'What it says', cell: (one) => one.says },
])}
<details><summary>Where the measures come from</summary><ul>${found.measures.map(({ title, paper }) => html`<li>${title}: ${paper}</li>`)}</ul></details>
${
  found.classes.length > 0 &&
  html`<h3>Class by class</h3>
${table(found.classes, [
  { title: 'Class', cell: (row) => named(row.name) },
  { title: 'Share of the source', numeric: true, cell: (row) => percent(row.source) },
  { title: 'Estimated share of the target', numeric: true, cell: (row) => percent(row.target) },
  ...(found.classes.some(({ interval }) => interval !== undefined)
    ? [
        {
          title: '95% interval',
          numeric: true,
          cell: (row: (typeof found.classes)[number]) => row.interval && percentInterval(row.interval),
        },
      ]
    : []),
  ...(found.classes.some(({ moved }) => moved !== undefined)
    ? [
        {
          title: 'Moved by',
          numeric: true,
          cell: (row: (typeof found.classes)[number]) =>
            row.moved !== undefined &&
            html`${row.moved.toFixed(1)}${row.significant === false && html` <small>(chance)</small>`}`,
        },
      ]
    : []),
])}
${found.classNote !== undefined && html`<p class="note">${found.classNote}</p>`}`
}
${found.alike.length > 0 && html`<h3>Most like the source</h3>${examples(found.alike.map((picture) => ({ picture })))}`}
${
  found.unlike.length > 0 &&
  html`<h3>Least like the source</h3>
<p>The ${many} of ${named(found.target)} that are furthest from everything in ${named(found.source)}.</p>
${examples(found.unlike.map((picture) => ({ picture })))}`
}`
}

function figureOf(value: number): string {
  if (!Number.isFinite(value)) return 'not known'
  return value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(1) : value.toFixed(3)
}

export function pText(p: number): string {
  return p < 0.001 ? p.toExponential(0) : p.toFixed(3)
}
