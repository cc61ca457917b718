/** Whether new samples still look like what a model was trained on: tests, shares outside, and the furthest samples. */
import { percent } from '../format.js'
import { nounsOf, type ReportData } from './data.js'
import { type Html, html } from './html.js'
import { className, examples, named, table } from './parts.js'
import { pText } from './shift.js'

export function drift({ drift: found, nouns, classes }: ReportData): Html | undefined {
  if (found === undefined) return undefined
  const { many } = nounsOf({ nouns })
  return html`<p>${found.verdict}</p>
${table(found.tests, [
  { title: 'Test', cell: (one) => one.title },
  { title: 'Statistic', numeric: true, cell: (one) => one.statistic.toFixed(3) },
  { title: 'p-value', numeric: true, cell: (one) => pText(one.pValue) },
  {
    title: 'Corrected',
    numeric: true,
    cell: (one) =>
      html`${pText(one.adjusted)}${one.adjusted <= found.alpha && html` <span class="tag">differs</span>`}`,
  },
])}
<p class="note">Corrected for the number of tests (Holm 1979): an alarm is raised for ${percent(found.alpha, 0)} of harmless data.</p>
<details><summary>Where the tests come from</summary><ul>${[...new Set(found.tests.map(({ paper }) => paper))].map((paper) => html`<li>${paper}</li>`)}</ul></details>
<h3>How many lie outside</h3>
${table(found.scores, [
  { title: 'Score', cell: (one) => one.title },
  { title: 'Outside', numeric: true, cell: (one) => percent(one.share) },
  { title: 'From', cell: (one) => html`<small>${one.paper}</small>` },
])}
<p class="note">A sample is outside where its score is above that of all but ${percent(found.alpha, 0)} of samples like the training data.</p>
${
  found.strange.length > 0 &&
  html`<h3>Least like the training data</h3>
${examples(
  found.strange.map((item) => ({
    picture: item,
    caption: html`<span class="said">called ${named(item.said)}</span><span class="truth">p ${pText(item.pValue)}</span>`,
  })),
)}`
}
<h3>What the model answers</h3>
${table(
  found.answers.map((share, k) => ({ share, k })),
  [
    { title: 'Class', cell: (row) => className(classes, row.k) },
    { title: html`Share of the new ${many}`, numeric: true, cell: (row) => percent(row.share) },
  ],
)}`
}
