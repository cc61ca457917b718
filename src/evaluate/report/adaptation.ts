/** How the model was chosen without labels of the target: every candidate by every validator, and the guard's verdicts. */
import { counted, duration, percent, percentInterval, points } from '../format.js'
import { domainMapChart } from '../maps/chart.js'
import { barChart } from '../plots.js'
import type { AdaptedRow, TitledMap } from './adaptationData.js'
import { nounsOf, type ReportData } from './data.js'
import { type Html, html } from './html.js'
import { className, examples, figure, named, table } from './parts.js'

export function adaptation({ adaptation: found, nouns }: ReportData): Html | undefined {
  if (found === undefined) return undefined
  const { many } = nounsOf({ nouns })
  const { candidates, validators } = found
  const some = (has: (row: AdaptedRow) => boolean) => candidates.some(has)
  const judged = candidates.filter(({ scores }) => scores.some((score) => score !== undefined))
  return html`${found.reasons.map((reason) => html`<p>${reason}</p>`)}
${table(candidates, [
  { title: 'Method', cell: (row) => html`${named(row.title)}${row.kept && html` <span class="tag">kept</span>`}` },
  ...(some((row) => row.expected !== undefined)
    ? [
        {
          title: html`Expected gain<br><small>points, without labels</small>`,
          numeric: true,
          cell: (row: AdaptedRow) => row.expected && gainText(row.expected),
        },
      ]
    : []),
  { title: 'Answers changed', numeric: true, cell: (row) => percent(row.changed, 0) },
  ...(some((row) => row.accuracy !== undefined)
    ? [
        {
          title: html`Accuracy<br><small>by labels that chose nothing</small>`,
          numeric: true,
          cell: (row: AdaptedRow) =>
            row.accuracy && html`${percent(row.accuracy.value)}<br><small>${percentInterval(row.accuracy)}</small>`,
        },
      ]
    : []),
  { title: 'Time', numeric: true, cell: timeText },
])}
${
  some((row) => row.doubts.length > 0) &&
  html`<details><summary>Why others were not chosen</summary><ul>${candidates
    .filter(({ doubts }) => doubts.length > 0)
    .map(({ title, doubts }) => html`<li>${named(title)}: ${doubts.join('; ')}</li>`)}</ul></details>`
}
${
  validators.length > 0 &&
  html`<h3>By every validator</h3>
<p class="note">Figures that need no label of the target; of each, higher is better. None of them is right everywhere, which is why they are shown and do not choose. ${found.agreement}</p>
${table(validators, [
  { title: 'Validator', cell: (one) => one.name },
  ...judged.map((row) => ({
    title: html`${named(row.name)}${row.kept && html` <span class="tag">kept</span>`}`,
    numeric: true,
    cell: (_: unknown, v: number) => scoreText(row.scores[v]),
  })),
])}
<details><summary>Where the methods and validators come from</summary><ul>${candidates
    .filter(({ paper }) => paper !== undefined)
    .map(
      ({ title, paper }) => html`<li>${title}: ${paper}</li>`,
    )}${validators.map(({ name, title, paper }) => html`<li>${name}, ${title}: ${paper}</li>`)}</ul></details>`
}
${found.failed.length > 0 && html`<p class="note">Not made: ${found.failed.map(({ title, reason }, i) => html`${i > 0 && '; '}${title} (${reason})`)}.</p>`}
<p class="note">No label of the ${found.target} ${many} took part in this choice.</p>`
}

/** Of the whole, and of a step where there are steps. */
function timeText({ seconds, stepMs }: AdaptedRow): Html {
  return html`${duration(seconds)}${stepMs !== undefined && html`<br><small>${stepMs.toFixed(1)} ms a step</small>`}`
}

/** The least and the most that may be gained. */
export function gainText({ low, high }: { readonly low: number; readonly high: number }): string {
  return high - low < 0.0005 ? points(low) : `${points(low)} to ${points(high)}`
}

function scoreText(score: number | undefined): string | undefined {
  if (score === undefined) return undefined
  return Math.abs(score) >= 1000 || (score !== 0 && Math.abs(score) < 0.001) ? score.toExponential(1) : score.toFixed(3)
}

/** What the kept model says otherwise, by class and sample by sample. */
export function changes({ adaptation: found, classes, nouns }: ReportData): Html | undefined {
  if (found === undefined) return undefined
  const { one, many } = nounsOf({ nouns })
  const { changed, truth } = found
  const rows = found.classes.map((shares, k) => ({ ...shares, k }))
  const measured = rows.some((row) => row.truth !== undefined)
  return html`${truth && html`<p>By ${truth.labels}: ${percent(truth.before.value)} (${percentInterval(truth.before)}) of ${counted(truth.n, one, many)} named correctly before, ${percent(truth.after.value)} (${percentInterval(truth.after)}) now. The difference is <strong>${points(truth.difference.difference)} points</strong> (95% interval ${points(truth.difference.low)} to ${points(truth.difference.high)}, on the same ${many}).${truth.others.length > 0 && html` The target has classes that the source has not: ${truth.others.map((name, i) => html`${i > 0 && ', '}${named(name)}`)}.`}</p>`}
<p>${found.unchanged ? html`Nothing changed: the source-only model is kept.` : html`${counted(changed.count, 'answer')} of ${counted(changed.n, one, many)} (${percent(changed.count / Math.max(1, changed.n), 0)}) changed.`}</p>
${table(rows, [
  { title: 'Class', cell: (row) => className(classes, row.k) },
  { title: 'Source', numeric: true, cell: (row) => percent(row.source) },
  { title: 'Target, before', numeric: true, cell: (row) => percent(row.before) },
  { title: 'Target, now', numeric: true, cell: (row) => percent(row.after) },
  ...(measured
    ? [
        {
          title: 'Target, by its labels',
          numeric: true,
          cell: (row: (typeof rows)[number]) => row.truth !== undefined && percent(row.truth),
        },
      ]
    : []),
])}
<p class="note">Shares of the ${many} that carry each class (source) or are given it (target).</p>
${
  changed.examples.length > 0 &&
  html`<h3>Answers that changed</h3>
${examples(
  changed.examples.map((item) => ({
    picture: item,
    caption: html`<span class="said">${className(classes, item.after)} <small>${percent(item.confidence, 0)}</small></span><span class="truth">was ${className(classes, item.before)}</span>`,
  })),
)}`
}`
}

/** Both domains in one plane. */
export function maps({ adaptation: found, shift }: ReportData): Html | undefined {
  const all = found?.maps ?? shift?.maps ?? []
  if (all.length === 0) return undefined
  return html`${
    found?.distance &&
    html`<p>A classifier that is to tell the domains apart by these features reaches a proxy A-distance of ${found.distance.before.toFixed(2)} before and ${found.distance.after.toFixed(2)} after adaptation (0: it cannot, 2: it always can).</p>`
  }
${mapFigures(all)}`
}

export function mapFigures(all: readonly TitledMap[]): Html {
  return html`<div class="charts">${all.map(({ title, note, map }) =>
    figure(
      domainMapChart(map),
      html`<strong>${title}.</strong> ${note} ${map.domains.map((name, d) => html`${d > 0 && ', '}${MARKS[d % MARKS.length]} ${named(name)}`)}.`,
    ),
  )}</div>`
}

/** As the chart draws them. */
const MARKS = ['●', '×', '▲', '■']

/** The first thing to see: what is better, as far as can be told. */
export function adaptationHeadline({ adaptation: found, nouns }: ReportData): Html | undefined {
  if (found === undefined) return undefined
  const { many } = nounsOf({ nouns })
  const { truth, changed } = found
  if (truth === undefined)
    return html`<div class="headline"><p class="big"><strong>${percent(changed.count / Math.max(1, changed.n), 0)}</strong> <span>of the answers on ${found.target} differ from those of the source-only model</span></p></div>`
  const bars = [
    { name: found.chosen, ...truth.after, strong: true },
    ...(found.unchanged ? [] : [{ name: found.baseline, ...truth.before }]),
  ]
  return html`<div class="headline">
<p class="big"><strong>${found.unchanged ? percent(truth.after.value) : `${points(truth.difference.difference)}`}</strong> <span>${
    found.unchanged
      ? html`of the ${found.target} ${many} named correctly by the source-only model, which is kept`
      : html`points on ${found.target}: ${percent(truth.before.value)} named correctly before, ${percent(truth.after.value)} now`
  }</span></p>
${figure(
  barChart({
    description: `Accuracy on the target: ${bars.map((bar) => `${bar.name} ${percent(bar.value)}`).join(', ')}`,
    xLabel: 'Accuracy on the target',
    bars,
    format: (value) => percent(value),
    axisFormat: (value) => percent(value, 0),
    xDomain: [0, 1],
  }),
  html`By ${truth.labels}, with 95% intervals. These labels took no part in training or in the choice.`,
)}
</div>`
}
